"""The wheel and the source archive: everything is in them, an empty environment runs them, an upgrade loses nothing.

No index is asked: the wheel goes alone into a bare environment, which then sees the packages of this one. That an index
has each dependency is not covered here; `scripts/check_wheels.py` asks one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import skyreels_tui
from pipelines.front import language
from skyreels_tui.files.installed import Way, commit, installed
from tests.cli.conftest import Call

ROOT = Path(skyreels_tui.__file__).parents[1]
VERSIONS = Path(__file__).parent / "versions"
SOURCES = ("pipelines", "skyreels_tui", "themes", "doc")
SITE = next(path for path in map(Path, site.getsitepackages()) if (path / "textual").is_dir())


def run(*words: object, **environ: str) -> str:
    """Run a program and return its output; fails with what it said."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=170, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one commit, so that a build leaves nothing in ours; it was used before."""
    root = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, root)
    compiled = root / "pipelines" / "demo" / "__pycache__" / "checkpoints.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"with the builder's folders")
    git = ("git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    run(*git, "init", "-q")
    run(*git, "add", "pyproject.toml")
    run(*git, "commit", "-q", "-m", "one")
    return root


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a wheel or a source archive with the setuptools that is here."""
    code = f"import sys; from setuptools import build_meta as b; print(b.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=source, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return build("wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command, in an environment that holds the wheel and sees the packages of this one."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    packages = next((folder / "lib").glob("python3*/site-packages"))
    # Lines of a .pth are folders; those of the .pth files in them are not read, so our own checkout stays out.
    (packages / "seen.pth").write_text(f"{SITE}\n")
    return folder / "bin" / "skyreels-tui"


def members(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def data_files() -> set[str]:
    """Every file of the sources that is no module, by its name in the wheel."""
    files = (path for name in SOURCES[:3] for path in (ROOT / name).rglob("*"))
    kept = (path for path in files if path.is_file() and path.suffix not in (".py", ".pyc", ".po", ".pot"))
    names = (path.relative_to(ROOT).as_posix() for path in kept)
    return {f"skyreels_tui/{name}" if name.startswith("themes/") else name for name in names}


def test_the_wheel_holds_every_module_and_every_file_of_data(wheel: Path) -> None:
    modules = {path.relative_to(ROOT).as_posix() for name in SOURCES[:2] for path in (ROOT / name).rglob("*.py")}
    assert len(data_files()) > 15
    assert modules | data_files() <= members(wheel)


def test_what_the_builder_compiled_stays_out(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", checkout, tmp_path)) as archive:
        names = [*members(wheel), *archive.getnames()]
    assert [name for name in names if name.endswith(".pyc") or "__pycache__" in name] == []


def test_the_wheel_has_two_names_at_its_top_and_the_licences(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in members(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pipelines", "skyreels_tui"}
    licences = {name.split("/licenses/")[1] for name in members(wheel) if "/licenses/" in name}
    assert licences == {"LICENSE", "pipelines/demo/LICENCES.md"}


def test_every_asset_has_a_licence() -> None:
    demo = ROOT / "pipelines" / "demo"
    named = set(re.findall(r"`([a-z0-9]+/[\w.]+)`", (demo / "LICENCES.md").read_text("utf-8")))
    assets = {
        path.relative_to(demo).as_posix() for path in demo.rglob("*.*") if path.suffix not in (".py", ".pyc", ".md")
    }
    assert assets == named


def test_the_archive_gives_the_same_wheel(checkout: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(build("sdist", checkout, tmp_path), tmp_path / "source")
    again = build("wheel", next((tmp_path / "source").iterdir()), tmp_path)
    assert members(again) == members(wheel)
    mark = "skyreels_tui/commit.txt"
    assert zipfile.ZipFile(again).read(mark) == zipfile.ZipFile(wheel).read(mark) == commit(checkout / "x").encode()


def test_a_bare_environment_runs_the_wheel(program: Path, checkout: Path, tmp_path: Path) -> None:
    def call(*words: object) -> str:
        environ = {"SKYREELS_TUI_HOME": str(tmp_path / "home"), "PYTHONPATH": "", "LANGUAGE": "", "LANG": "C.UTF-8"}
        return run(program, *words, **environ)

    assert call("--version") == f"skyreels-tui {skyreels_tui.__version__} ({commit(checkout / 'x')})\n"
    said = json.loads(call("self", "--json"))
    assert (said["installed"], said["folder"]) == ("pip", str(program.parents[1]))
    assert said["upgrade"].endswith("-m pip install --upgrade skyreels_tui-NEW-py3-none-any.whl")
    call("settings", "set", "theme", "fjord")
    call("settings", "set", "language", "pt_BR")
    assert "mostra" in call("--help")
    picture = ROOT / "pipelines" / "demo" / "samples" / "coffee.jpg"
    video = call("generate", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    assert Path(video.strip()).stat().st_size > 1000


@pytest.mark.parametrize("kind", ["package", "namespace", "module"])
def test_another_package_of_our_name_is_said_before_anything_else(program: Path, tmp_path: Path, kind: str) -> None:
    match kind:
        case "package":
            (tmp_path / "pipelines").mkdir()
            (tmp_path / "pipelines" / "__init__.py").touch()
        case "module":
            (tmp_path / "pipelines.py").touch()
        case _:
            (tmp_path / "pipelines").mkdir()
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "SKYREELS_TUI_HOME": str(tmp_path / "home")}
    done = subprocess.run([program, "--version"], env=environ, capture_output=True, text=True, timeout=60)
    if kind == "namespace":
        # A bare folder gives way to a package: nothing is hidden.
        assert done.returncode == 0 and done.stdout.startswith("skyreels-tui")
    else:
        assert done.returncode == 1 and str(tmp_path) in done.stderr and "in the way" in done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""


@pytest.fixture
def as_before() -> Iterator[None]:
    """Gives the language back that a queue's settings have changed."""
    yield
    language.choose(language.ENGLISH)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("version", sorted(path.name for path in VERSIONS.iterdir()))
def test_an_upgrade_keeps_queue_and_settings(version: str, home: Path, cli: Callable[..., Call]) -> None:
    """A queue and a settings file as an older version left them, opened by this one."""
    shutil.copytree(VERSIONS / version, home)
    expected = json.loads((home / "expected.json").read_text("utf-8"))
    before = (home / "config" / "settings.toml").read_bytes()
    jobs = {str(job["id"]): job for job in cli("list", "--json").data}
    for number, facts in expected["jobs"].items():
        assert {key: jobs[number][key] for key in facts} == facts
    assert jobs.keys() == expected["jobs"].keys()
    for name, facts in expected.get("films", {}).items():
        film = cli("film", "show", name, "--json").data
        film["scenes"] = [
            {key: scene[key] for key in facts["scenes"][0] if key != "takes"}
            | {"takes": [take["id"] for take in scene["takes"]]}
            for scene in film["scenes"]
        ]
        assert {key: film[key] for key in facts} == facts
    settings = cli("settings", "list", "--json")
    assert settings.err == "" and {key: settings.data[key] for key in expected["settings"]} == expected["settings"]
    assert (home / "config" / "settings.toml").read_bytes() == before
    assert cli("release", 2).code == 0 and cli("duplicate", 1).code == 0
    assert len(cli("list", "--json").data) == len(jobs) + 1


@pytest.mark.parametrize(
    ("mark", "direct", "way", "command"),
    [
        ("uv-receipt.toml", None, Way.UV, "uv tool upgrade skyreels-tui"),
        ("uv-receipt.toml", "{}", Way.UV, "uv tool install --force skyreels_tui-NEW-py3-none-any.whl"),
        ("pipx_metadata.json", None, Way.PIPX, "pipx upgrade skyreels-tui"),
        ("pipx_metadata.json", "{}", Way.PIPX, "pipx install --force skyreels_tui-NEW-py3-none-any.whl"),
        ("pyvenv.cfg", None, Way.PIP, "-m pip install --upgrade skyreels-tui"),
        ("pyvenv.cfg", "{}", Way.PIP, "-m pip install --upgrade skyreels_tui-NEW-py3-none-any.whl"),
    ],
)
def test_the_way_of_installing_is_told(tmp_path: Path, mark: str, direct: str | None, way: Way, command: str) -> None:
    (tmp_path / mark).touch()
    copy = installed(tmp_path / "lib" / "skyreels_tui", tmp_path, lambda _: direct)
    assert copy.way is way and copy.upgrade.endswith(command)


def test_a_checkout_says_its_folder_as_a_shell_takes_it(tmp_path: Path) -> None:
    folder = tmp_path / "my films"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    assert installed(folder / "skyreels_tui").upgrade == f"git -C '{folder}' pull && make -C '{folder}' run"


def test_the_pins_without_a_wheel_are_named(tmp_path: Path) -> None:
    """The script asks pip, which here may see one folder of wheels and no index."""
    for name in ("here-1.0-py3-none-any", "arm-1.0-cp312-cp312-manylinux_2_28_aarch64"):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as wheel:
            package = name.split("-")[0]
            wheel.writestr(
                f"{package}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            )
            wheel.writestr(f"{package}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    pins = tmp_path / "constraints.txt"
    pins.write_text("# made by hand\nhere==1.0\narm==1.0  # compiled\nabsent==2.0\n\n")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "check_wheels.py", pins],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path.as_uri(), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "absent==2.0\n"), done.stderr

"""Run the tests as they would run on other people's machines: one environment changed at a time, each with its time.

.venv/bin/python scripts/environments.py                 every environment, all tests
.venv/bin/python scripts/environments.py --marks quick   the quick tests alone
.venv/bin/python scripts/environments.py "no tmux"       chosen ones
.venv/bin/python scripts/environments.py --tests tests/cli "not root"   chosen tests; again for others
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOBODY = "65534"
EIGHT = ("-n", "8", "--dist", "worksteal")


@dataclass(frozen=True, slots=True)
class Changed:
    """What is different: the Python, variables, words before the command, words after pytest's own."""

    python: str = sys.executable
    environ: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    after: Sequence[str] = ("-n", "5", "--dist", "worksteal")


def home(folder: Path, name: str) -> Changed:
    """A home of that name."""
    path = folder / name
    path.mkdir(parents=True)
    return Changed(environ={"HOME": str(path)})


def temporary_folder(folder: Path) -> Changed:
    """A folder for temporary files with a name that is long, has spaces and accents."""
    path = folder / ("año é " + "long " * 12) / "tmp ü"
    path.mkdir(parents=True)
    return Changed(environ={"TMPDIR": str(path)})


def user_and_host(_: Path) -> Changed:
    """Another user's name, and another machine's where this system lets a process have one of its own."""
    host = ("unshare", "--uts", "sh", "-c", f'hostname {"a-long-name-" * 5}x && exec "$@"', "sh")
    own = subprocess.run([*host, "true"], capture_output=True, check=False).returncode == 0
    names = {name: "josé-maria.de-souza_e-silva" for name in ("USER", "LOGNAME", "USERNAME")}
    return Changed(environ=names, before=host if own else ())


def just_started(_: Path) -> Changed:
    """A machine that was started a few seconds ago, where this system lets a process believe so."""
    since = f"-{int(time.monotonic()) - 5}"
    clock = ("unshare", "--time", "--monotonic", since, "--boottime", since)
    own = subprocess.run([*clock, "true"], capture_output=True, check=False).returncode == 0
    return Changed(before=clock if own else ())


def path_without(folder: Path, *names: str) -> Changed:
    """A PATH on which some programs are not found."""
    programs = folder / "bin"
    programs.mkdir()
    for entry in os.environ["PATH"].split(os.pathsep):
        for program in Path(entry).iterdir() if Path(entry).is_dir() else ():
            link = programs / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program)
    return Changed(environ={"PATH": str(programs)})


def path_with_ffmpeg(folder: Path) -> Changed:
    """A PATH on which an ffmpeg is found: the bundled one where the machine has none."""
    if shutil.which("ffmpeg"):
        return Changed()
    from imageio_ffmpeg import get_ffmpeg_exe

    programs = folder / "bin"
    programs.mkdir()
    (programs / "ffmpeg").symlink_to(get_ffmpeg_exe())
    return Changed(environ={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})


def ordinary_user(folder: Path) -> Changed:
    """Not root: nobody, where root runs this; nothing changes for anyone else."""
    if os.getuid() != 0:
        return Changed()
    own = folder / "home"
    own.mkdir()
    os.chown(own, int(NOBODY), int(NOBODY))
    for above in (folder, folder.parent):
        above.chmod(0o755)
    # setpriv starts its program with root's rights still at hand: `env` is started by it, and Python without them.
    words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env")
    compiled = folder / "compiled"
    compiled.mkdir()
    os.chown(compiled, int(NOBODY), int(NOBODY))
    return Changed(
        python_of_all(folder / "python", words),
        {"HOME": str(own), "TMPDIR": str(own), "PYTHONPYCACHEPREFIX": str(compiled)}, words,
        (*Changed().after, "-p", "no:cacheprovider"),
    )  # fmt: skip


def python_of_all(folder: Path, before: Sequence[str]) -> str:
    """Return a Python that the user of the words `before` can start, with the packages and programs of this one.

    A Python in root's own home is closed to others: then that of the system with the same version stands in.
    """

    def starts(python: str) -> bool:
        return subprocess.run([*before, python, "-c", ""], capture_output=True, check=False).returncode == 0

    same_version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable, *(f"{entry}/{same_version}" for entry in os.environ["PATH"].split(os.pathsep))]
    base = next((python for python in candidates if Path(python).is_file() and starts(python)), "")
    if not base:
        raise SystemExit(f"no {same_version} on PATH that user {NOBODY} may start")
    if base == sys.executable:
        return base
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    own.rmdir()
    own.symlink_to(sysconfig.get_path("purelib"))
    for program in Path(sys.executable).parent.iterdir():
        first, _, rest = program.read_bytes().partition(b"\n") if program.is_file() else (b"", b"", b"")
        if first == b"#!" + os.fsencode(sys.executable) and not (folder / "bin" / program.name).exists():
            (folder / "bin" / program.name).write_bytes(b"#!" + os.fsencode(python) + b"\n" + rest)
            (folder / "bin" / program.name).chmod(0o755)
    return str(python)


def somebody_elses(folder: Path) -> Changed:
    """What does not exclude one another, together: `make test-long` runs the quick tests so."""
    odd = home(folder, "José's home é " + "long " * 12 + "/ü ñ")
    others = {
        "TZ": "Pacific/Kiritimati",
        "LANG": "pt_BR.UTF-8",
        "LC_ALL": "pt_BR.UTF-8",
        "LANGUAGE": "pt_BR",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "SKYREELS_TESTS_ORDER": "7",
    }
    without = path_without(folder, "tmux", "zsh", "fish", "screen")
    return Changed(environ={**odd.environ, **without.environ, **others})


def one_more(folder: Path) -> Changed:
    """The rest of what does not exclude one another, together."""
    parts = (home(folder, "h"), user_and_host(folder), just_started(folder), path_with_ffmpeg(folder))
    environ = {name: value for part in parts for name, value in part.environ.items()}
    before = [word for part in parts for word in part.before]
    return Changed(environ={**environ, "LANG": "C", "LC_ALL": "C"}, before=before, after=EIGHT)


ENVIRONMENTS: Mapping[str, Callable[[Path], Changed]] = {
    "as it is": lambda _: Changed(),
    "short home": lambda folder: home(folder, "h"),
    "long home with spaces and accents": lambda folder: home(folder, "José's home é " + "long " * 12 + "/ü ñ"),
    "long temporary folder with spaces and accents": temporary_folder,
    "another user and host": user_and_host,
    "just started": just_started,
    "another time zone": lambda _: Changed(environ={"TZ": "Pacific/Kiritimati"}),
    "Brazilian Portuguese": lambda _: Changed(
        environ={"LANG": "pt_BR.UTF-8", "LC_ALL": "pt_BR.UTF-8", "LANGUAGE": "pt_BR"}
    ),
    "no locale": lambda _: Changed(environ={"LANG": "C", "LC_ALL": "C"}),
    "dumb terminal": lambda _: Changed(environ={"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "40", "LINES": "10"}),
    "no tmux, no zsh": lambda folder: path_without(folder, "tmux", "zsh", "fish", "screen"),
    "an ffmpeg of the system": path_with_ffmpeg,
    "no ffmpeg of the system": lambda folder: path_without(folder, "ffmpeg", "ffprobe"),
    "not root": ordinary_user,
    "one worker": lambda _: Changed(after=("-n", "1")),
    "eight workers": lambda _: Changed(after=EIGHT),
    "somebody else's machine": somebody_elses,
    "one more machine": one_more,
    "another order": lambda _: Changed(environ={"SKYREELS_TESTS_ORDER": str(int(time.time()))}),
}


def run(name: str, marks: str, tests: Sequence[str]) -> tuple[int, float]:
    """Run the tests in one environment; returns pytest's exit code and the seconds."""
    with tempfile.TemporaryDirectory(prefix="env-") as folder:
        changed = ENVIRONMENTS[name](Path(folder))
        words = [*changed.before, changed.python, "-m", "pytest", *changed.after]
        words += [*(["-m", marks] if marks else []), *tests]
        # What makes it the same again, such as the seed of an order.
        sys.stdout.write(f"{name}: {' '.join(f'{key}={value}' for key, value in changed.environ.items())}\n")
        sys.stdout.flush()
        began = time.monotonic()
        done = subprocess.run(
            words, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **changed.environ}, check=False
        )
        return done.returncode, time.monotonic() - began


def main() -> int:
    """Run the chosen environments and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="ENVIRONMENT", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--marks", default="", help="as pytest's -m")
    parser.add_argument("--tests", action="append", default=[], metavar="PATH", help="a file or folder of tests")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"no environment {unknown[0]!r}: choose of {', '.join(ENVIRONMENTS)}")
    lines: dict[str, bool] = {}
    for name in args.names or ENVIRONMENTS:
        code, seconds = run(name, args.marks, args.tests)
        line = f"{'passed' if code == 0 else f'FAILED {code}':10} {seconds:7.1f} s  {name}\n"
        lines[line] = code == 0
        # Hours lie between the first and the last: who stops them early has what was found so far.
        sys.stdout.write(line)
        sys.stdout.flush()
    if len(lines) > 1:
        sys.stdout.write("\n" + "".join(lines))
    return 0 if all(lines.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

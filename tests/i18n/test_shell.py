"""The command line under a catalogue of Cyrillic letters: a Latin word in it is a sentence that was never looked up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from pipelines.front.request import field_specs
from pipelines.tasks import TASKS
from skyreels_tui.commands import COMMANDS
from skyreels_tui.commands.system.completion import option_strings
from skyreels_tui.commands.system.doctor import page
from skyreels_tui.doctor.checks import run_checks
from skyreels_tui.executors.fake import Script
from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.settings import setting_specs
from skyreels_tui.ui.panels import PANELS
from tests.cli.conftest import Call
from tests.cli.test_doctor import NAMES as MACHINES
from tests.cli.test_doctor import machine
from tests.i18n.pseudo import latin_words

Cli = Callable[..., Call]

pytestmark = pytest.mark.usefixtures("pseudo")

COMMAND_WORDS = (
    "status choose resume remove restore join voice picture prompt prepare install get set path download verify purge "
    "use start stop token link lines none markdown json bash zsh fish"
)
VALUES = "turns together full exact fast fastest all joined new up down first last next out text mix left right"
UNITS_AND_PRODUCTS = "GB MB kB GiB MiB kHz ms fps TiB ffmpeg torch cudnn triton tmux Ctrl skyreels-tui"
DATA = frozenset(
    [
        *(command.name for command in COMMANDS),
        *(task.short for task in TASKS),
        *(panel.name for panel in PANELS),
        *f"{COMMAND_WORDS} {VALUES} {UNITS_AND_PRODUCTS}".split(),
    ]
)
"""Words that are the same in every language."""


def latin(call: Call, *names: str) -> list[str]:
    """What a call said in Latin letters, without data and the given names."""
    return latin_words(call.out + call.err, DATA | set(names))


@pytest.mark.parametrize("name", ["", *(command.name for command in COMMANDS)])
def test_help(cli: Cli, name: str) -> None:
    call = cli(*([name] if name else []), "--help")
    assert call.code == 0
    assert latin(call) == []


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_completion_describes_options(name: str) -> None:
    assert latin_words(" ".join(text for _, text in option_strings(name)), DATA) == []


REFUSALS: dict[str, tuple[object, ...]] = {
    "unknown command": ("XYZ",),
    "near command": ("lisst",),
    "unknown option": ("list", "--sead"),
    "missing argument": ("cancel",),
    "no value": ("add", "--seed"),
    "no id": ("show", "XYZ"),
    "no job": ("cancel", "77"),
    "choice": ("list", "--status", "XYZ"),
    "panel": ("panel", "XYZ"),
    "shell": ("completion", "XYZ"),
    "place": ("move", "1", "XYZ"),
    "task": ("add", "--task", "XYZ", "--prompt", "X"),
    "no task": ("add", "--prompt", "X"),
    "several tasks": ("add", "--prompt", "X", "--input_video", "X.mp4"),
    "foreign field": ("add", "--task", "talking_avatar", "--cut", "X"),
    "empty fields": ("add", "--task", "reference_to_video", "--prompt", "", "--duration", "0", "--seed", "X"),
    "fraction": ("add", "--task", "reference_to_video", "--prompt", "X", "--duration", "1.5", "--resolution", "4K"),
    "no files": ("add", "--task", "talking_avatar", "--prompt", "X", "--input_image", "A.png", "B.png"),
    "avatar 540P": ("add", "--task", "talking_avatar", "--prompt", "X", "--resolution", "540P"),
    "preset": ("add", "--task", "talking_avatar", "--prompt", "X", "--preset", "X"),
    "address": ("add", "--task", "talking_avatar", "--prompt", "X", "--input_image", "http://127.0.0.1:9/X.png"),
    "nothing to edit": ("edit", "1"),
    "seeds": ("duplicate", "1", "--seeds", "X"),
    "timeout": ("wait", "--timeout", "X"),
    "no batch": ("finalize", "X"),
    "no batch to export": ("export", "--batch", "X"),
    "missing batch file": ("import", "X.json"),
    "no setting": ("settings", "set", "XYZ", "1"),
    "no setting to get": ("settings", "get", "XYZ"),
    "number": ("settings", "set", "memory_floor_gib", "X"),
    "option of a setting": ("settings", "set", "hang_up", "X"),
    "flag": ("settings", "set", "bell", "X"),
    "default": ("settings", "set", "defaults.talking_avatar.XYZ", "1"),
    "no model": ("models", "path", "XYZ"),
    "absent model": ("models", "path", "r2v"),
    "no folder": ("models", "use", "/XYZ", "--model", "r2v"),
    "serve": ("serve", "--host", "0.0.0.0"),
    "port": ("serve", "--port", "99999"),
    "demo": ("demo", "XYZ"),
    "bench": ("bench", "--layers", "99"),
    "bench of gpus": ("bench", "--gpus", "3", "--profile", "demo"),
    "facts": ("doctor", "--facts", "/XYZ"),
    "no terminal": (),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(cli: Cli, name: str) -> None:
    call = cli(*REFUSALS[name])
    assert call.code != 0

    said = call.err
    names = {name for name, _ in setting_specs()} | {str(state) for state in JobState}
    names |= {name for task in TASKS for name, _ in field_specs(task.request_type)}
    names |= {"prompt", "duration", "seed", "resolution", "cut", "file", "seeds", "port", "host", "preset", "shell"}
    assert latin_words(said, DATA | names | {"lisst", "ssh", "stop"}) == []


def broken(folder: Path) -> dict[str, Path]:
    """Files that no task takes."""
    files = {name: folder / name for name in ("EMPTY.png", "TEXT.png", "CUT.png", "DOT.png", "WIDE.png", "TEXT.wav")}
    for path in files.values():
        path.write_text("X")
    files["EMPTY.png"].write_text("")
    Image.effect_noise((200, 200), 90).save(files["CUT.png"])
    files["CUT.png"].write_bytes(files["CUT.png"].read_bytes()[:2000])
    Image.new("RGB", (1, 1)).save(files["DOT.png"])
    Image.new("RGB", (3000, 40)).save(files["WIDE.png"])
    return {**files, "FOLDER": folder, "MISSING.png": folder / "MISSING.png"}


def test_refused_files(cli: Cli, tmp_path: Path) -> None:
    options = {"image": "--ref_imgs", "video": "--input_video", "audio": "--input_audio"}
    tasks = {"image": "reference_to_video", "video": "single_shot_extension", "audio": "talking_avatar"}
    for path in broken(tmp_path).values():
        for media, option in options.items():
            call = cli("add", "--task", tasks[media], "--prompt", "X", option, path)
            assert call.code == 2
            assert latin(call) == [], (path, media)


def test_life_of_a_job(cli: Cli, picture: Path) -> None:
    job = ("--task", "reference_to_video", "--profile", "demo", "--ref_imgs", picture, "--prompt", "X", "--label", "X")
    said = [
        cli("list"),
        cli("results"),
        cli("generate", *job),
        cli("generate", *job, script=Script(suspect="?", num_segments=2)),
        cli("generate", *job, script=Script(failures={(Stage.DENOISE, 3): MediaError("?")})),
        cli("add", *job, "--held"),
        cli("retry", 3),
        cli("cancel", 3),
        cli("release", 1),
        cli("hold", 5),
        cli("edit", 5, "--label", "XX"),
        cli("duplicate", 5, "--seeds", "1,2"),
        cli("delete", 6),
        cli("undelete", 6),
        cli("move", 7, "first"),
        cli("pause"),
        cli("unpause"),
        cli("list", "--all"),
        cli("wait", 4),
        cli("results"),
        cli("export", "--file", picture.with_name("X.json")),
        cli("settings", "set", "bell", "no"),
    ]
    # Names of what was made, the fake's own word, and names of settings.
    own = {"reference-to-video", "fake", "demo", "seed", "bell", "id", "no"}
    assert [words for call in said if (words := latin(call, *own))] == []


def test_batch_files(cli: Cli, tmp_path: Path) -> None:
    contents = {
        "A.json": "{",
        "B.json": "{}",
        "C.json": "[1]",
        "D.json": "[]",
        "E.json": '[{"task_type": "XYZ"}]',
        "F.json": '[{"task_type": "talking_avatar", "XYZ": 1, "seed": "X", "offload": "X", "prompt": [1]}]',
        "G.json": '[{"task_type": "talking_avatar", "label": [1], "prompt": "{{job:X}}"}]',
        "H.md": "# X\n## X\nXYZ\n",
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
        call = cli("import", tmp_path / name)
        assert call.code == 2
        # Python's own words about JSON, and names of fields.
        said = call.err.partition(": Expecting")[0]
        assert (
            latin_words(
                said,
                DATA
                | {"file", "seed", "offload", "prompt", "profile", "label", "resolution", "quality", "gpus", "lora"}
                | {"speaking", "regions"},
            )
            == []
        ), name


def test_settings_table(cli: Cli) -> None:
    names = {line.split()[0] for line in cli("settings").out.splitlines()[1:]}
    assert latin(cli("settings"), *names, "finish", "job", "auto", "yes", "no", "http", "memory", "floor") == []


def test_models_list(cli: Cli) -> None:
    call = cli("models", "list")
    assert call.code == 0
    parts = {part.name for checkpoint in CHECKPOINTS.values() for part in checkpoint.components}
    assert latin(call, *parts, *["Skywork", "Community", "License"]) == []


@pytest.mark.parametrize("name", MACHINES)
def test_doctor_page(name: str) -> None:
    facts = machine(name)
    # What the machine itself says, and commands to type, which stand after a dollar.
    lines = [line for line in page(run_checks(facts)) if "$" not in line]
    machines = "Linux nvidia Ubuntu Fedora GeForce btrfs flash efficient off kitty xterm-kitty transformer"
    said = "\n".join(lines).replace(facts.torch.triton_error or "-", "")
    for warning in facts.settings_warnings:
        said = said.replace(warning, "")
    assert latin_words(said, DATA | set(machines.split())) == []

"""What other processes see of a film being helped: no key anywhere, and no command that outlives its program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.films.endpoint import KEY, serving
from tests.films.test_helpers import program
from tests.films.test_import import scene, written

Cli = Callable[..., Call]

LIMIT_S = 60.0
SMALL = {"profile": "demo", "resolution": "128P", "duration": 1}
SPEAKER = {"task_type": "talking_avatar", "prompt": "x", "input_image": "ref/hero.png", "ref_imgs": ..., **SMALL}


@pytest.fixture
def begin(home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the program as a process of its own; what is left of it ends with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: object, **environ: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "skyreels_tui", *map(str, words)]
        said = (tmp_path / f"said-{len(begun)}").open("wb")
        with said:
            made = subprocess.Popen(
                command, env={**os.environ, "SKYREELS_TUI_HOME": str(home), **environ}, stdout=said, stderr=said
            )
        begun.append(made)
        return made

    yield start
    for one in begun:
        one.kill()
        one.wait()


def until(condition: Callable[[], object], words: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, words
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def facts_of(pid: str, name: str) -> bytes:
    """'cmdline' or 'environ' of a process; empty once it has ended, or of another person's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def pids() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def below(parent: int) -> list[str]:
    """Every process that has been started by `parent`, or by one of those."""
    found = [str(parent)]
    for pid in found:
        found += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return found[1:]


# The person's commands end with the program

NOTE = """
import os, pathlib, sys, time
def tell(): pathlib.Path({note!r}).open("a").write(f"{{os.getpid()}}\\n")
tell()
"""
COMMANDS = {
    "hangs": "time.sleep(600)",
    "hears no signal": "import signal\nfor one in (1, 2, 15): signal.signal(one, signal.SIG_IGN)\ntime.sleep(600)",
    "has children": (
        "import subprocess\nif len(sys.argv) < 3:\n"
        "    for _ in range(2): subprocess.Popen([sys.executable, sys.argv[0], sys.argv[1], 'child'])\ntime.sleep(600)"
    ),
    "has left an orphan": "if os.fork(): time.sleep(600)\nif os.fork(): os._exit(0)\ntell()\ntime.sleep(600)",
    "computes": "while True: pass",
}


@pytest.mark.parametrize(
    "words", [("film", "voice", "ep"), ("run",)], ids=["the command alone", "the owner of the queue"]
)
@pytest.mark.parametrize("kind", COMMANDS)
def test_no_command_outlives_a_killed_program(
    cli: Cli, project: Path, tmp_path: Path, begin: Callable[..., subprocess.Popen[bytes]], kind: str, words: tuple[str]
) -> None:
    note = tmp_path / "pids"
    command = program(tmp_path / "voice.py", NOTE.format(note=str(note)) + COMMANDS[kind])
    cli("settings", "set", "voice_command", f"{command} {{out}}")
    cli("film", "import", written(project, {"name": "ep", "jobs": [scene(label="she", audio_text="hi", **SPEAKER)]}))
    cli("film", "run", "ep")
    program_ = begin(*words)
    count = {"has children": 3, "has left an orphan": 2}.get(kind, 1)
    until(lambda: note.exists() and len(note.read_text().split()) == count, "it never began")
    begun = [int(pid) for pid in note.read_text().split()]
    assert all(map(lives, begun)), "it works while its program does"
    program_.send_signal(signal.SIGKILL)
    program_.wait()
    until(lambda: not any(map(lives, begun)), "it goes on without its program")


# Keys

WAYS = {
    "in a variable": lambda folder: "env:MY_PROMPT_KEY",
    "in a file": lambda folder: f"file:{folder / 'key'}",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_in_no_list_of_processes_and_in_no_file(
    cli: Cli,
    project: Path,
    home: Path,
    tmp_path: Path,
    begin: Callable[..., subprocess.Popen[bytes]],
    way: str,
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    note = tmp_path / "pids"
    hangs = program(tmp_path / "hangs.py", NOTE.format(note=str(note)) + "time.sleep(600)")
    for kind in ("voice", "picture"):
        cli("settings", "set", f"{kind}_command", f"{hangs} {{out}} {{text}}")
    entries = [scene(label="she", audio_text="hi", image_prompt="a street", **(SMALL | {"ref_imgs": []}))]
    cli("film", "import", written(project, {"name": "ep", "jobs": entries}))
    environ = {"MY_PROMPT_KEY": KEY} if way == "in a variable" else {}

    def nobody_shows_it() -> None:
        shown = {pid: facts_of(pid, "cmdline") for pid in pids()}
        assert any(shown.values()) and not [pid for pid, line in shown.items() if KEY.encode() in line]

    with serving("slow") as served:
        cli("settings", "set", "prompt_endpoint", served.address)
        cli("settings", "set", "prompt_key", WAYS[way](tmp_path))
        asks = begin("film", "prompt", "ep", "enrich", "--agree", **environ)
        until(lambda: served.asked, "nobody was asked")
        assert served.keys == [f"Bearer {KEY}"]
        nobody_shows_it()
        assert not [pid for pid in below(asks.pid) if KEY.encode() in facts_of(pid, "environ")]
        for kind in ("voice", "picture"):
            note.unlink(missing_ok=True)
            helps = begin("film", kind, "ep", **environ)
            until(lambda: note.exists() and note.read_text().endswith("\n"), "it never began")
            nobody_shows_it()
            started = below(helps.pid)
            assert note.read_text().strip() in started
            assert not [pid for pid in started if KEY.encode() in facts_of(pid, "environ")], (
                "its own program has it alone"
            )
            helps.kill()
    exported = cli("film", "export", "ep").out
    bundle = cli("doctor", "--bundle", tmp_path / "bundle.json")
    assert KEY not in exported + bundle.out + bundle.err + (tmp_path / "bundle.json").read_text()
    kept = [path for folder in (home, tmp_path / "project") for path in folder.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if KEY.encode() in path.read_bytes()]

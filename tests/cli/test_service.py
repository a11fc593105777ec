"""The unit of the user's systemd: what is written and asked for, and that its command line survives what it must.

Not every machine has a systemd to ask, so systemctl is a program that writes down what it was asked; the command line
of the unit is started, killed and stopped here as systemd would. `test_systemd.py` asks a real one where it may.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.system.service import MARK, UNIT, unit_text, unit_word
from tests.cli.conftest import Call
from tests.cli.test_process import SCRIPTED
from tests.terminal import WAIT_S

Cli = Callable[..., Call]

SYSTEMCTL = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "{fails}" in sys.argv and "{fails}":
    sys.exit("Failed to connect to bus: No medium found")
if "show" in sys.argv:
    print("LoadState=loaded\\nActiveState=active\\nSubState=running\\nMainPID=4711\\nNRestarts=2\\nUnitFileState=enabled")
"""


class Machine:
    """A home and a systemctl that writes down its arguments."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log, self.bin = folder / "asked", folder / "bin"
        self.unit = folder / "config" / "systemd" / "user" / UNIT
        self.bin.mkdir()
        self.systemctl()
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")

    def systemctl(self, fails: str = "") -> None:
        """Put the program there; it fails when it is asked for `fails`."""
        program = self.bin / "systemctl"
        program.write_text(SYSTEMCTL.format(python=sys.executable, log=str(self.log), fails=fails))
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """Command lines, without what was only looked at."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return [" ".join(words) for words in lines if "show" not in words]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    folder = tmp_path / "a $HOME of 100% é"
    folder.mkdir()
    return Machine(folder, monkeypatch)


def test_it_is_installed_shown_and_removed(cli: Cli, machine: Machine) -> None:
    done = cli("service", "install", "--between", "22:00-7:00")
    assert done.code == Exit.OK and "active (running)" in done.out and "process: 4711, restarts: 2" in done.out
    text = machine.unit.read_text()
    assert text.startswith(MARK)
    assert "run --stay --resume --between 22:00-07:00" in " ".join(command(text))
    assert machine.asked == ["--user daemon-reload", f"--user enable {UNIT}", f"--user --no-block restart {UNIT}"]
    # A later install takes its place.
    assert cli("service", "install").code == Exit.OK
    assert "--between" not in machine.unit.read_text()

    shown = cli("service", "status", "--json")
    assert json.loads(shown.out)["MainPID"] == "4711"
    machine.log.unlink()
    assert cli("service", "remove").code == Exit.OK
    assert machine.asked == [f"--user disable {UNIT}", f"--user --no-block stop {UNIT}"]
    assert not machine.unit.exists()
    gone = cli("service", "remove")
    assert gone.code == Exit.NOT_FOUND and "no service is installed" in gone.err


def test_no_key_and_no_token_is_written_down(cli: Cli, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    cli("service", "install")
    assert "hf_secret" not in machine.unit.read_text()


@pytest.mark.parametrize("asked", ["daemon-reload", "enable", "restart"])
def test_a_systemd_that_does_not_answer_is_quoted(cli: Cli, machine: Machine, asked: str) -> None:
    machine.systemctl(fails=asked)
    done = cli("service", "install")
    assert done.code == Exit.FAILED
    assert "No medium found" in done.err and "log in by ssh" in done.err


def test_without_systemd_the_way_out_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = cli("service", "install")
    assert done.code == Exit.NOT_FOUND and "skyreels-tui run --stay" in done.err


@pytest.mark.parametrize("action", ["install", "remove"])
def test_a_unit_of_a_persons_own_is_left_alone(cli: Cli, machine: Machine, action: str) -> None:
    machine.unit.parent.mkdir(parents=True)
    machine.unit.write_text("[Service]\nExecStart=/bin/true\n")
    done = cli("service", action)
    assert done.code == Exit.BUSY and "unit of your own" in done.err
    assert "/bin/true" in machine.unit.read_text() and machine.asked == []


@pytest.mark.parametrize("word", ["a\nb", "a\x00", "\udcff", "a\x1b[31m"])
def test_what_cannot_stand_in_a_unit_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match="cannot stand"):
        unit_word(word)


@pytest.mark.parametrize(
    "word", ["plain", "two words", 'a "unit_word" one', "50%n $HOME ${X}", "back\\slash", "é ü", ""]
)
def test_every_other_word_comes_through_as_it_is(word: str) -> None:
    assert command(unit_text(["/bin/x", word], {})) == ["/bin/x", word]


def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    """Where its tool is there; the quoting is checked by the test above everywhere."""
    analyze = shutil.which("systemd-analyze")
    unit = tmp_path / UNIT
    unit.write_text(unit_text([sys.executable, "-m", "skyreels_tui", "run", "a b%"], {"PATH": "/x y:/z"}))
    if analyze is not None:
        done = subprocess.run(
            [analyze, "--user", "verify", str(unit)], capture_output=True, text=True, timeout=WAIT_S, check=False,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )  # fmt: skip
        assert str(unit) not in done.stderr and UNIT not in done.stderr, done.stderr


def command(text: str) -> list[str]:
    """Read ExecStart as systemd does."""
    (line,) = re.findall("^ExecStart=(.*)$", text, re.MULTILINE)
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


def environment(text: str) -> dict[str, str]:
    words = (shlex.split(line)[0] for line in re.findall("^Environment=(.*)$", text, re.MULTILINE))
    return dict(word.replace("%%", "%").replace("$$", "$").partition("=")[::2] for word in words)


@contextmanager
def started(text: str) -> Iterator[subprocess.Popen[str]]:
    """The unit's process, with nothing but the unit's environment and a home."""
    python, *program = command(text)
    assert program[:2] == ["-m", "skyreels_tui"]
    # The same command line with the scripted executor, so that there is a step to be killed at.
    words = [python, "-c", SCRIPTED.format(hang_up="SIG_DFL", num_steps=40), *program[2:]]
    child = subprocess.Popen(
        words, env={"HOME": os.environ["HOME"], **environment(text)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_night_survives_a_crash_and_ends_when_it_is_stopped(cli: Cli, machine: Machine, picture: Path) -> None:
    cli("service", "install")
    text = machine.unit.read_text()
    job = cli(
        "add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x", "--resolution", "128P", "--duration", "1"
    ).out.strip()
    with started(text) as child:
        assert child.stderr is not None
        assert any(" 9/40" in line for line in child.stderr), "in whatever language it speaks"
        child.send_signal(signal.SIGKILL)
    with started(text) as child:
        assert cli("wait", job, "--timeout", str(WAIT_S)).code == Exit.OK, cli("show", job).out
        child.send_signal(signal.SIGTERM)
        assert child.wait(WAIT_S) in (Exit.OK, Exit.CANCELLED)
    shown = json.loads(cli("show", job, "--json").out)
    assert (shown["status"], shown["attempts"]) == ("done", 2)

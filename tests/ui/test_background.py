"""Leaving in a real terminal: at once where nothing runs, and into the background of a real shell."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.terminal import ROOT, WAIT_S, Terminal
from tests.tmux import Tmux, needs_tmux

SAMPLE = ROOT / "pipelines" / "demo" / "samples" / "astronaut.jpg"
LOADS_FOR_EVER = """
import threading
from skyreels_tui.__main__ import leave_process
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor
class Loading(FakeExecutor):
    def warm_up(self):
        threading.Event().wait()
leave_process(main([], executor=Loading))
"""
GATED = """
import sys, threading, time
from pathlib import Path
from skyreels_tui.__main__ import leave_process
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor
executor = FakeExecutor(gated=True)
def wait():
    while not Path(sys.argv[1]).exists():
        time.sleep(0.02)
    executor.open_gate()
threading.Thread(target=wait, daemon=True).start()
leave_process(main([], executor=lambda: executor))
"""
SHELL = "import os, sys; os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])"


def ask(home: Path, *words: str) -> str:
    """What a command prints."""
    environ = {**os.environ, "SKYREELS_TUI_HOME": str(home), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "skyreels_tui", *words]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def add(home: Path) -> None:
    ask(home, "add", "--ref_imgs", str(SAMPLE), "--prompt", "a walk", "--profile", "demo", "--duration", "1")


@pytest.mark.parametrize("queued", [False, True])
def test_q_ends_at_once_also_while_the_engine_loads(tmp_path: Path, queued: bool) -> None:
    if queued:
        add(tmp_path)
    terminal = Terminal([[]], home=tmp_path, program=LOADS_FOR_EVER)
    terminal.wait_for("loading the engine" if queued else "nothing is running", "n New")
    terminal.press("q")
    # The engine never gets ready: an exit that waited for it would not come.
    terminal.finish()
    assert json.loads(ask(tmp_path, "status", "--json"))["state"] == "off"


@needs_tmux
def test_the_background_gives_the_terminal_back_and_the_job_goes_on(tmp_path: Path) -> None:
    home, go, program = tmp_path / "home", tmp_path / "go", tmp_path / "app.py"
    program.write_text(GATED)
    add(home)
    tmux = Tmux(tmp_path)
    terminal = Terminal([], home=home, inside=tmux.words, program=SHELL)

    def shows(words: str) -> None:
        tmux.until(terminal, lambda: any(words in line for line in terminal.lines))

    try:
        shows("bash-")
        words = shlex.join([sys.executable, str(program), str(go)])
        terminal.press(f"PYTHONPATH={shlex.quote(str(ROOT))} {words}\r")
        shows("1 denoise 0/8")
        terminal.press("q")
        shows("go on in the background")
        terminal.press("b")
        shows("goes on in the background")
        terminal.press("echo shell-$((40 + 2))\r")
        shows("shell-42")
        status = json.loads(ask(home, "status", "--json"))
        assert status["windowless"] and status["job"] == 1 and status["state"] == "running"
        go.touch()
        deadline = time.monotonic() + WAIT_S
        while json.loads(ask(home, "list", "--json"))[0]["status"] != "done":
            assert time.monotonic() < deadline
    finally:
        go.touch()
        tmux.end()
        terminal.close()


@needs_tmux
def test_stop_ends_what_goes_on_in_the_background_at_its_step(tmp_path: Path) -> None:
    home, go, program = tmp_path / "home", tmp_path / "go", tmp_path / "app.py"
    program.write_text(GATED)
    add(home)
    # Without a shell nobody takes the terminal back, and the job goes on all the same.
    tmux = Tmux(tmp_path)
    terminal = Terminal([], home=home, inside=[*tmux.words, sys.executable, str(program), str(go)], program="")
    try:
        tmux.until(terminal, lambda: any("1 denoise 0/8" in line for line in terminal.lines))
        terminal.press("q")
        tmux.until(terminal, lambda: any("go on in the background" in line for line in terminal.lines))
        terminal.press("b")
        deadline = time.monotonic() + WAIT_S
        while not json.loads(ask(home, "status", "--json"))["windowless"]:
            assert time.monotonic() < deadline
        owner = json.loads(ask(home, "status", "--json"))["pid"]
        assert json.loads(ask(home, "stop", "--json"))["pid"] == owner
        go.touch()
        while json.loads(ask(home, "status", "--json"))["state"] != "off":
            assert time.monotonic() < deadline + WAIT_S
        assert json.loads(ask(home, "list", "--json"))[0]["status"] == "interrupted"
        assert json.loads(ask(home, "stop", "--json"))["pid"] is None
    finally:
        go.touch()
        tmux.end()
        terminal.close()

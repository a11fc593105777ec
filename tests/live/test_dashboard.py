from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.terminal import WAIT_S, Terminal
from tests.tmux import socket_folder

SCRIPT = Path(__file__).parents[2] / "scripts" / "tmux-dashboard.sh"

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def test_the_dashboard_opens_the_app_and_its_panels(tmp_path: Path) -> None:
    program = tmp_path / "it's here" / "skyreels-tui"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$*" >> "${0%/*}/called"\nexec sleep 60\n')
    program.chmod(0o755)
    sockets = socket_folder()
    tmux = ["tmux", "-S", str(sockets / "server"), "-f", "/dev/null"]
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
    environ |= {"SKYREELS_TUI": str(program), "TMUX_COMMAND": " ".join(tmux), "TERM": "xterm-256color"}
    try:
        subprocess.run([SCRIPT], env=environ, check=True, timeout=20, stdout=subprocess.DEVNULL)
        shape = "#{pane_width}\t#{pane_height}"
        answer = subprocess.run(
            [*tmux, "list-panes", "-s", "-t", "skyreels", "-F", shape], env=environ, capture_output=True, text=True
        )
        panes = [line.split("\t") for line in answer.stdout.splitlines()]
        assert len(panes) == 6
        assert all(int(width) >= 38 and int(height) >= 6 for width, height in panes), panes
        called, deadline = program.with_name("called"), time.monotonic() + WAIT_S
        while not called.exists() or len(called.read_text().splitlines()) < len(panes):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert sorted(called.read_text().splitlines()) == [
            "--only queue", "panel disk", "panel gpu", "panel memory", "panel preview", "panel progress",
        ]  # fmt: skip
    finally:
        subprocess.run([*tmux, "kill-server"], env=environ, capture_output=True)
        shutil.rmtree(sockets, ignore_errors=True)


def test_an_unknown_option_is_refused() -> None:
    done = subprocess.run([SCRIPT, "--nonsense"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_the_queue_alone_has_no_panels_and_all_its_keys(tmp_path: Path) -> None:
    terminal = Terminal([["--only", "queue"]], home=tmp_path / "home")
    try:
        terminal.wait_for("1 Queue", "n New")
        lines = "\n".join(terminal.settled())
        for panel in ("Progress", "Preview", "Memory", "Log"):
            assert panel not in lines
        terminal.press("n")
        terminal.wait_for("Prompt")
    finally:
        terminal.close()

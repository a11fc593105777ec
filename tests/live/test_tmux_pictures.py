"""Pictures through a real tmux: the terminal outside gets them where tmux may hand them on, and nothing elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from skyreels_tui.ui.drawing.pictures import choose_drawing
from tests.terminal import Terminal
from tests.tmux import Tmux, needs_tmux

SHOW = """
import json, os, sys
from PIL import Image
from rich.console import Console
from skyreels_tui.ui.drawing.pictures import choose_drawing
setting = json.loads(sys.argv[1])[0][0][0]
drawing = choose_drawing(setting, os.environ, is_tty=True)
if drawing == "kitty":
    from textual_image.renderable.tgp import Image as Picture
    Console().print(Picture(Image.new("RGB", (64, 64), "red"), width=4))
print("drawn as", drawing, flush=True)
input()
"""


@pytest.fixture
def terminfo(tmp_path: Path) -> dict[str, str]:
    """A terminal that calls itself kitty, as far as tmux has to know it."""
    entry = subprocess.run(["infocmp", "xterm-256color"], capture_output=True, text=True, check=True).stdout
    source = tmp_path / "kitty.ti"
    source.write_text(entry.replace("\nxterm-256color|", "\nxterm-kitty|", 1))
    subprocess.run(["tic", "-o", str(tmp_path / "terminfo"), str(source)], check=True, capture_output=True)
    return {"TERMINFO_DIRS": f"{tmp_path / 'terminfo'}:", "TERM": "xterm-kitty"}


@needs_tmux
@pytest.mark.parametrize(
    ("configuration", "setting", "drawn"),
    [
        ("set -g allow-passthrough on\n", "auto", "kitty"),
        ("set -g allow-passthrough on\n", "cells", "cells"),
        ("set -g allow-passthrough off\n", "auto", "cells"),
        ("set -g allow-passthrough off\n", "kitty", "cells"),
        ("", "auto", "cells"),
    ],
)
def test_the_terminal_outside_gets_the_picture(
    tmp_path: Path, terminfo: dict[str, str], configuration: str, setting: str, drawn: str
) -> None:
    tmux = Tmux(tmp_path, configuration)
    terminal = Terminal([[setting]], inside=tmux.words, environ=terminfo, program=SHOW)
    try:
        terminal.wait_for(f"drawn as {drawn}")
        sent = re.findall(rb"\x1b_G([^\x1b]*)\x1b\\", terminal.received)
        assert bool(sent) == (drawn == "kitty")
        if sent:
            assert b"f=100" in sent[0] and any(b"U=1" in message for message in sent)
            assert "\U0010eeee".encode() in terminal.received
    finally:
        tmux.end()
        terminal.close()


@needs_tmux
def test_in_two_nested_ones_it_is_drawn_in_cells(tmp_path: Path, terminfo: dict[str, str]) -> None:
    servers = [Tmux(tmp_path, "set -g allow-passthrough on\n") for _ in range(2)]
    inside = [word for server in servers for word in server.words]
    terminal = Terminal([["auto"]], inside=inside, environ=terminfo, program=SHOW)
    try:
        terminal.wait_for("drawn as cells")
    finally:
        for server in reversed(servers):
            server.end()
        terminal.close()


def answers(folder: Path, *lines: str) -> dict[str, str]:
    """A tmux that gives these answers, for versions that are not installed here."""
    program = folder / "tmux"
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    return {"TMUX": "/tmp/t,1,0", "TERM": "tmux-256color", "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("lines", "setting", "drawn"),
    [
        (("off", "foot", "256,RGB,sixel,title"), "auto", "sixel"),
        (("off", "foot", "256,RGB,title"), "auto", "cells"),
        (("off", "foot", ""), "sixel", "sixel"),
        (("on", "foot", "256,RGB"), "auto", "cells"),
        ((), "auto", "cells"),
    ],
)
def test_tmux_draws_sixel_where_it_says_so(tmp_path: Path, monkeypatch, lines, setting, drawn) -> None:
    environ = answers(tmp_path, *lines)
    monkeypatch.setenv("PATH", environ["PATH"])
    assert choose_drawing(setting, environ, is_tty=True) == drawn

"""What is copied arrives: in a real tmux as people configure it, in none, in GNU screen, and where nothing takes it."""

from __future__ import annotations

import base64
import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skyreels_tui.notify import clipboard
from skyreels_tui.notify.clipboard import Reached
from tests.terminal import COLUMNS, Terminal
from tests.tmux import Tmux, needs_tmux
from tests.ui.conftest import SAMPLES

NAME = "a-name-that-is-longer-than-a-line-of-the-terminal-" * 3 + ".mp4"
CONFIGURATIONS = {
    "default": "",
    "external": "set -g set-clipboard external\n",
    "on": "set -g set-clipboard on\n",
    "off": "set -g set-clipboard off\n",
    "no clipboard outside": "set -g terminal-overrides '*:Ms@'\n",
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "result" / "reference_to_video"
    folder.mkdir(parents=True)
    return Path(shutil.copy(SAMPLES / "clip.mp4", folder / NAME))


@contextlib.contextmanager
def results(tmp_path: Path, *servers: Tmux, **environ: str) -> Iterator[Terminal]:
    """The results screen, inside the servers, the outermost first."""
    inside = [word for server in servers for word in server.words]
    words = [["--result-dir", str(tmp_path / "result")]]
    terminal = Terminal(words, home=tmp_path / "home", inside=inside, environ=environ)
    try:
        terminal.wait_for("n New")
        terminal.press("R")
        terminal.wait_for("frames")
        yield terminal
    finally:
        for server in reversed(servers):
            server.end()
        terminal.close()


def sent(terminal: Terminal) -> list[str]:
    """What the terminal was asked to put on its clipboard."""
    data = re.findall(rb"\x1b\]52;c?;([^\x07\x1b]*)", terminal.received)
    return [base64.b64decode(text).decode() for text in data]


@needs_tmux
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_tmux_has_it_and_the_program_says_how_far_it_came(tmp_path: Path, video: Path, name: str) -> None:
    tmux = Tmux(tmp_path, CONFIGURATIONS[name])
    with results(tmp_path, tmux) as terminal:
        terminal.press("y")
        terminal.wait_for("Copied into tmux")
        terminal.settled()
        assert tmux.ask("save-buffer", "-") == str(video)
        said_sent = "and sent to the terminal" in " ".join(terminal.lines)
        assert sent(terminal) == ([str(video)] if said_sent else [])
        assert said_sent == (name != "no clipboard outside")


@needs_tmux
def test_of_two_nested_the_inner_one_has_it(tmp_path: Path, video: Path) -> None:
    outer, inner = Tmux(tmp_path), Tmux(tmp_path)
    with results(tmp_path, outer, inner) as terminal:
        terminal.press("y")
        terminal.wait_for("Copied into tmux")
        assert inner.ask("save-buffer", "-") == str(video)


@needs_tmux
def test_copied_again_it_is_shown_in_one_piece(tmp_path: Path, video: Path) -> None:
    tmux = Tmux(tmp_path)
    with results(tmp_path, tmux) as terminal:
        terminal.press("y")
        terminal.wait_for("Copied into tmux")
        terminal.press("y")
        terminal.wait_for("Select it with the mouse")
        assert len(str(video)) > COLUMNS
        tmux.until(terminal, lambda: str(video) in tmux.ask("capture-pane", "-p", "-J"))


def test_without_a_multiplexer_the_terminal_is_sent_it(tmp_path: Path, video: Path) -> None:
    with results(tmp_path) as terminal:
        terminal.press("y")
        terminal.wait_for("Sent to the terminal's clipboard")
        assert sent(terminal) == [str(video)]
        terminal.press("y")
        terminal.wait_for("Select it with the mouse")
        assert sent(terminal) == [str(video)]


@pytest.mark.parametrize(
    "environ", [{"VTE_VERSION": "7600"}, {"TERM_PROGRAM": "Apple_Terminal"}, {"TMUX": "/none,1,0"}]
)
def test_where_nothing_takes_it_it_is_shown_at_once(tmp_path: Path, video: Path, environ: dict[str, str]) -> None:
    with results(tmp_path, **environ) as terminal:
        terminal.press("y")
        terminal.wait_for("Select it with the mouse")
        tail = str(video)[-30:]
        while tail not in "".join(terminal.lines):
            assert terminal.read_some(5)
        assert sent(terminal) == []


def test_screen_hands_it_on_in_pieces() -> None:
    written: list[str] = []
    text = "wort " * 300
    assert clipboard.copy(text, {"STY": "1.pts-0", "TERM": "screen"}, written.append) == Reached(terminal=True)
    pieces = re.findall("\x1bP(.*?)\x1b\\\\", written[0], re.DOTALL)
    assert len(pieces) > 1 and max(map(len, pieces)) <= clipboard.SCREEN_BYTES
    whole = "".join(pieces)
    assert base64.b64decode(whole.removeprefix("\x1b]52;c;").removesuffix("\x07")).decode() == text
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == written[0]


@pytest.mark.parametrize("environ", [{"TERM": "linux"}, {"TERM": "xterm", "VTE_VERSION": "1"}])
def test_what_no_terminal_takes_is_not_written(environ: dict[str, str]) -> None:
    written: list[str] = []
    assert clipboard.copy("a", environ, written.append) == Reached()
    assert clipboard.copy("a" * 200_000, {"TERM": "xterm"}, written.append) == Reached()
    assert not written


async def test_the_scp_line_names_the_host_of_the_settings(start, video) -> None:
    async with start() as s:
        settings = s.app.services.settings
        settings.change(replace(settings.now, scp_host="me@spark"))
        await s.press("R")
        await s.shows("frames")
        await s.press("Y")
        await s.until(lambda: s.app.clipboard == shlex.join(["scp", f"me@spark:{video}", "."]), "the line")

"""Keys in a real tmux: what one burst of bytes opens gets the rest of the burst."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.tmux import Tmux, needs_tmux

pytestmark = needs_tmux


@pytest.mark.parametrize(
    ("burst", "shown"),
    [
        ("n/sp", "/sp"),
        ("?pause", "pause"),
        ("\x10theme", "theme"),
        ("R/pdq", "pdq"),
    ],
)
def test_a_burst_of_bytes_goes_to_what_its_first_key_opens(tmp_path: Path, burst: str, shown: str) -> None:
    tmux = Tmux(tmp_path)
    terminal = Terminal([[]], gated=True, home=tmp_path / "home", inside=tmux.words)
    try:
        terminal.wait_for("n New")
        terminal.press(burst)
        tmux.until(terminal, lambda: any(shown in line for line in terminal.lines))
        assert "paused" not in "\n".join(terminal.lines)
    finally:
        tmux.end()
        terminal.close()

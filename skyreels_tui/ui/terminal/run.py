"""The run of an app on its terminal: the mouse as the settings want it, and the terminal left as any program leaves it.

The mouse is the app's, the terminal's own, or its wheel alone, which sends arrows.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from textual.app import App

from skyreels_tui.ui.internals import write_sequence

WHEEL_ON, WHEEL_OFF = "\x1b[?1007s\x1b[?1007h", "\x1b[?1007r"
"""Has the terminal send arrows for the wheel, and be as it was before."""


def use_wheel(app: App[Any], mouse: str) -> None:
    """Have the terminal of a running app send arrows for the wheel, where `mouse`, the setting, wants that."""
    if mouse == "wheel":
        write_sequence(app, WHEEL_ON)


def run_on_terminal(app: App[Any], mouse: str) -> None:
    """Run an app until it is left, with the mouse that the setting wants; then Ctrl+Z and fg are the kernel's again."""
    try:
        app.run(mouse=mouse == "yes")
    finally:
        # Textual leaves its own behind: Ctrl+Z, fg and the end of the terminal would draw an app that has ended.
        for number in (signal.SIGTSTP, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
    if mouse == "wheel" and sys.__stderr__ is not None:
        sys.__stderr__.write(WHEEL_OFF)
        sys.__stderr__.flush()

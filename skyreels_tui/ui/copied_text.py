"""What an app copies, by the way that reaches a person here: through tmux, the terminal, or their own hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App

from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.intents import ShowText
from skyreels_tui.ui.internals import keep_clipboard, write_sequence
from skyreels_tui.ui.turns import OPENING
from skyreels_tui.ui.workers import hand_over

if TYPE_CHECKING:
    from skyreels_tui.notify.clipboard import Reached


class CopiedText:
    """The text that one app has copied last."""

    def __init__(self, app: App[Any], tell: Callable[[str], object]) -> None:
        """`tell` says a sentence to the person."""
        self._app, self._tell = app, tell
        self._last = ""
        """'' once it has been shown."""

    def copy(self, text: str) -> None:
        """Copy by the way that reaches a person here, and say which it was; again: show it, to be selected."""
        app = self._app
        again, self._last = text == self._last, text
        keep_clipboard(app, text)
        if again or app.is_web:
            self._show(text)
        else:
            app.run_worker(lambda: self._send(text), thread=True, group=OPENING)

    def _send(self, text: str) -> None:
        # Imported with the first copy: a start needs none.
        from skyreels_tui.notify.clipboard import copy

        reached = copy(text, os.environ, partial(write_sequence, self._app))
        hand_over(self._app, self._sent, text, reached)

    def _sent(self, text: str, reached: Reached) -> None:
        shown = safe(text, 200)
        if reached.tmux and reached.terminal:
            self._tell(tr("Copied into tmux and sent to the terminal: {text}", text=shown))
        elif reached.tmux:
            self._tell(tr("Copied into tmux, not outside it: {text}", text=shown))
        elif reached.terminal:
            self._tell(tr("Sent to the terminal's clipboard (again: to select it): {text}", text=shown))
        else:
            self._show(text)

    def _show(self, text: str) -> None:
        self._last = ""
        self._app.post_message(ShowText(text))

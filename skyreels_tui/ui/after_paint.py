"""What waits until a frame has been written, the search for garbage at a start among it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from textual.app import App

from skyreels_tui.ui.internals import is_held_back


class AfterPaint:
    """Calls that one app makes once its next frame has been written: what it does not show must not delay it."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: list[Callable[[], object]] = [self._collect_again]
        self._keeps = False
        """Whether what this start has loaded is kept out of the search for garbage."""

    def add(self, call: Callable[[], object]) -> None:
        """Call back after the next frame."""
        self._waiting.append(call)

    def written(self) -> None:
        """Textual has written what it had to: go on, unless that went nowhere."""
        if self._waiting and not is_held_back(self._app):
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                self._app.call_later(call)

    def keep_loaded(self) -> None:
        """What has been loaded since the first frame stays as well: to look through it would hold keys up."""
        if self._keeps:
            gc.freeze()

    def _collect_again(self) -> None:
        """Look for garbage again, but not in what a start without it has loaded."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
            self._keeps = True

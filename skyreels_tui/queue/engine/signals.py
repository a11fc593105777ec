"""Signals and what they mean to the engine; the app and the command line install them on the main thread."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT)
AT_ONCE_CODE = 130


def detach_from_terminal() -> None:
    """Point file descriptors 0 to 2 at /dev/null: a terminal that is gone, or reads no more, blocks nobody."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


class StopSignals:
    """The first SIGTERM or Ctrl+C asks for the step edge, the second one leaves at once."""

    def __init__(self, ask: Callable[[], None], at_once: Callable[[], None]) -> None:
        """`ask` stops at the step edge and must not block; `at_once` notes what it can (`give_up`)."""
        self._ask, self._at_once = ask, at_once
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle one signal."""
        if self.asked:
            # A third one would come in between, find the note half written, and leave without it.
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
            self._at_once()
            # The inference thread may be deep in a step: only leaving without it is at once.
            os._exit(AT_ONCE_CODE)
        self.asked = True
        self._ask()


@contextmanager
def handled(*, stop: StopSignals | None = None, hang_up: Callable[[], None] | None = None) -> Iterator[None]:
    """Install the handlers, and put back what was there; main thread only.

    `hang_up` is called after SIGHUP, when the terminal has already been let go; it must not block.
    """

    def on_hang_up(_number: int, _frame: FrameType | None) -> None:
        detach_from_terminal()
        if hang_up is not None:
            hang_up()

    wanted: dict[int, Any] = {}
    if stop is not None:
        wanted.update(dict.fromkeys(STOPPING, stop))
    if hang_up is not None:
        wanted[signal.SIGHUP] = on_hang_up
        # Writing to a pipe or pty whose reader is gone must be an error, not the end of the engine.
        wanted[signal.SIGPIPE] = signal.SIG_IGN
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

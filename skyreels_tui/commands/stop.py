"""Ctrl+C and friends for commands that run or follow jobs: the first asks, the second leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from skyreels_tui.commands.exits import Exit

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Within `with`, SIGINT and SIGTERM set `asked`; a second one ends the process, stored steps intact."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        # Handlers belong to the main thread; elsewhere (a test, an embedding program) nobody signals us.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in STOPPING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            # A thread may be deep inside a kernel: leaving through the interpreter would wait for it.
            os._exit(Exit.CANCELLED)
        self.asked = True

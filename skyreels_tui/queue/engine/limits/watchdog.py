"""A thread that stops the running job before the machine runs out of memory: there it would freeze, not raise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.reasons import Code, Reason, because

PERIOD_S = 0.5
LATE_S = 10.0

AvailableBytes = Callable[[], int | None]
"""Memory that programs could still take; None when it cannot be read."""


class Watchdog:
    """Looks at the memory while a job runs. The sensor and the clock are parameters, so that tests need neither."""

    def __init__(
        self,
        available: AvailableBytes,
        floor_bytes: int,
        is_running: Callable[[], bool],
        stop: Callable[[Reason, bool], None],
        *,
        wait: Callable[[float], bool] | None = None,
        beats: Heartbeats | None = None,
    ) -> None:
        """`stop(reason, urgent)` stops the job at its step edge, an urgent stop between two blocks of a step.

        `wait(seconds)` returns True when the thread is to end.
        """
        self._available, self._floor_bytes = available, floor_bytes
        self._is_running, self._stop = is_running, stop
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait
        self._beats = beats or Heartbeats()
        self._thread = threading.Thread(target=self._main, name="memory-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Take one reading and act on it; below half the floor a step edge may come too late."""
        if not self._is_running():
            return
        available = self._available()
        if available is not None and available < self._floor_bytes:
            self._stop(because(Code.MEMORY), available < self._floor_bytes // 2)

    def _main(self) -> None:
        while not self._wait(PERIOD_S):
            self._beats.beat("memory-watchdog", LATE_S)
            # A reading that fails is taken again: without it the machine would freeze at the next job.
            with suppress(OSError, ValueError):
                self.look()
        self._beats.end("memory-watchdog")

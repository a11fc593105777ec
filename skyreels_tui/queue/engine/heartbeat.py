"""When each thread of a window last did a round: one that hangs or has ended is named, not missed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Heartbeats:
    """Any thread may call any method; times are monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, float]] = {}

    def beat(self, name: str, within_s: float) -> None:
        """A thread has done a round and promises the next one within `within_s`; with math.inf it ends in order."""
        with self._lock:
            if within_s == math.inf:
                self._last.pop(name, None)
            else:
                self._last[name] = self._now(), within_s

    def end(self, name: str) -> None:
        """A thread ends in order."""
        self.beat(name, math.inf)

    def ages(self) -> dict[str, tuple[float, bool]]:
        """Name -> seconds since its last round, and whether that is longer than it promised."""
        with self._lock:
            now = self._now()
            return {name: (now - at, now - at > within_s) for name, (at, within_s) in self._last.items()}

    def late(self) -> tuple[str, ...]:
        """The threads that do not keep their promise."""
        return tuple(name for name, (_, late) in self.ages().items() if late)

"""Counts bytes of several files from several threads: how much is done, how fast, how long it will take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WINDOW_S = 20.0
"""The rate is the mean over this long."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a transfer is."""

    done_bytes: int
    total_bytes: int
    rate: float = 0.0
    """Bytes a second lately."""
    left_s: float | None = None
    files: tuple[tuple[str, int, int], ...] = ()
    """Files in flight: (path, bytes done, bytes in all)."""
    checking: bool = False
    """True while nothing is fetched and finished files are checked."""
    trouble: str = ""
    """Why nothing comes at the moment; it is tried again."""

    @property
    def percent(self) -> int:
        """Whole percent done."""
        return 100 * self.done_bytes // max(1, self.total_bytes)


class Meter:
    """The sum over all files; `sizes` and `have` are bytes by path."""

    def __init__(self, sizes: Mapping[str, int], have: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._sizes, self._have = dict(sizes), dict(have)
        self._open: set[str] = set()
        self._checking: set[str] = set()
        self._trouble: dict[str, str] = {}
        self._marks: list[tuple[float, int]] = []

    def at(self, path: str, num_bytes: int) -> None:
        """A file is in flight and has this many bytes."""
        with self._lock:
            self._open.add(path)
            self._have[path] = num_bytes
            self._trouble.pop(path, None)

    def wait(self, path: str, trouble: str) -> None:
        """A file waits until it is tried again."""
        with self._lock:
            self._trouble[path] = trouble

    def check(self, path: str) -> None:
        """A file is here and is being checked."""
        with self._lock:
            self._checking.add(path)

    def close(self, path: str) -> None:
        """A file is finished."""
        with self._lock:
            self._have[path] = self._sizes[path]
            self._open.discard(path)
            self._checking.discard(path)

    def read(self) -> Moved:
        """Sum up."""
        with self._lock:
            now, done, total = self._clock(), sum(self._have.values()), sum(self._sizes.values())
            self._marks = [mark for mark in self._marks if now - mark[0] <= WINDOW_S] + [(now, done)]
            first_at, first_done = self._marks[0]
            rate = max(done - first_done, 0) / (now - first_at) if now > first_at else 0.0
            files = tuple((path, self._have[path], self._sizes[path]) for path in sorted(self._open))
            checking = bool(self._checking) and self._checking >= self._open
            # One file that still comes says more than another one that waits.
            stuck = bool(self._trouble) and self._trouble.keys() >= self._open - self._checking
            trouble = next(iter(self._trouble.values())) if stuck else ""
        return Moved(done, total, rate, (total - done) / rate if rate else None, files, checking, trouble)

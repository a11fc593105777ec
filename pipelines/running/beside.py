"""Builds one thing on a thread while the caller does something else; knows nothing of networks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from pipelines.front.errors import Cancelled
from pipelines.front.progress import Progress, Report

Built = TypeVar("Built")

TELL_S = 0.1
"""How often whoever waits hears how far it is."""


class Beside(Generic[Built]):
    """What `build` makes, in the making. It is given a report of its own, whose words wait until somebody does."""

    def __init__(self, build: Callable[[Report], Built]) -> None:
        self._stop = threading.Event()
        self._latest: Progress | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._made = self._threads.submit(build, self._hear)

    def take(self, report: Report) -> Built:
        """Wait for it, passing its reports on; raises what `build` or `report` raises."""
        told: Progress | None = None
        while True:
            over = wait([self._made], TELL_S).done
            if self._latest is not None and self._latest is not told:
                told = self._latest
                report(told)
            if over:
                return self._made.result()

    def end(self) -> None:
        """Stop at its next report, if it is still in the making; it is over when this returns."""
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _hear(self, progress: Progress) -> None:
        self._latest = progress
        if self._stop.is_set():
            raise Cancelled

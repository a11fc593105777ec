"""The monitor thread: reads every sensor once a second while a job runs and publishes one frozen sample."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from pipelines.front.boundary import boundary
from skyreels_tui.monitors.sample import Read, Sample

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
IDLE_FACTOR = 3
"""How much rarer samples are while no job runs: an idle program should cost nothing."""
LATE_S = 60.0
"""A round that takes longer than this hangs: large folders on a slow disk are walked in less."""


class Monitor:
    """Reads sensors on its own daemon thread from `start` to `stop`.

    `publish` is called on that thread and must not block; `busy` says whether a job runs; `closing` is closed at the
    thread's end; `beat` hears each round and within how many seconds the next one follows, math.inf after the last.
    """

    def __init__(
        self,
        sensors: Sequence[tuple[str, Read]],
        publish: Callable[[Sample], None],
        busy: Callable[[], bool] = lambda: False,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.time,
        closing: ExitStack | None = None,
        beat: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._sensors, self._publish, self._busy = tuple(sensors), publish, busy
        self._interval_s, self._clock, self._closing = interval_s, clock, closing or ExitStack()
        self._beat = beat
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: set[str] = set()
        self._troubled = False

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask the thread to end and wait for it: at most `timeout_s`, because a driver may hang."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def sample(self) -> Sample:
        """Read every sensor once, on the calling thread."""
        readings: dict[str, object] = {}
        errors: dict[str, str] = {}
        sample = Sample(self._clock(), readings, errors)
        for name, read in self._sensors:
            # The sensor boundary: whatever a driver or a kernel file does, the panels go on without it.
            with boundary() as tried:
                readings[name] = read(sample)
            if tried.error is None:
                self._failed.discard(name)
                continue
            errors[name] = tried.words
            if name not in self._failed:
                self._failed.add(name)
                log.error("the %s sensor failed", name, exc_info=tried.error)
        return sample

    def _run(self) -> None:
        with self._closing:
            while not self._stop.is_set():
                began = time.monotonic()
                self._beat(self._interval_s * IDLE_FACTOR + LATE_S)
                interval_s = self._interval_s * (1 if self._round() else IDLE_FACTOR)
                self._stop.wait(max(0.05, interval_s - (time.monotonic() - began)))
        self._beat(math.inf)

    def _round(self) -> bool:
        """Publish a sample; returns whether a job runs."""
        sample = self.sample()
        # The sensor boundary's other side: what cannot be told or asked now is told and asked next time.
        busy = False
        with boundary() as tried:
            self._publish(sample)
            busy = self._busy()
        if tried.error is not None and not self._troubled:
            log.error("a sample was not published", exc_info=tried.error)
        self._troubled = tried.error is not None
        return busy

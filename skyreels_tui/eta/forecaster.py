"""The thread that publishes forecasts of the queue; it asks no sensor, so that none can take the times with it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from pipelines.front.boundary import boundary
from skyreels_tui.eta.forecast import Forecast, QueueForecast

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
IDLE_FACTOR = 3
"""How much rarer forecasts are while no job runs: an idle program should cost nothing."""
LATE_S = 60.0
"""The inputs of one job are read in less; longer than this hangs."""


class Forecaster:
    """Reads `forecast` on its own daemon thread from `start` to `stop`; `publish` is called there, must not block.

    `beat` hears that the thread goes on and within how many seconds it says so again, math.inf at its end.
    """

    def __init__(
        self,
        forecast: Forecast,
        publish: Callable[[QueueForecast], None],
        interval_s: float = INTERVAL_S,
        beat: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.forecast, self._publish, self._interval_s, self._beat = forecast, publish, interval_s, beat
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._troubled = False

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="forecast", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask the thread to end and wait for it: at most `timeout_s`, because an input may lie on a slow disk."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        running = True
        while not self._stop.is_set():
            self._go_on()
            # A forecast is a sensor of the queue: whatever its rows, its inputs or a driver do, what was said last
            # stands until they can be read.
            with boundary() as tried:
                self.forecast.warm_up()
                queue = self.forecast.read(self._go_on)
                self._publish(queue)
                running = queue.running is not None
            if tried.error is not None and not self._troubled:
                log.warning("no forecast: %s", tried.words, exc_info=tried.error)
            self._troubled = tried.error is not None
            self._stop.wait(self._interval_s * (1 if running else IDLE_FACTOR))
        self._beat(math.inf)

    def _go_on(self) -> None:
        self._beat(self._interval_s * IDLE_FACTOR + LATE_S)

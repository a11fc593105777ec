"""The thread that publishes forecasts of the queue; it asks no sensor, so that none can take the times with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipelines.front.errors import PipelineError
from skyreels_tui.eta.forecast import Forecast, QueueForecast

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
IDLE_FACTOR = 3
"""How much rarer forecasts are while no job runs: an idle program should cost nothing."""


class Forecaster:
    """Reads `forecast` on its own daemon thread from `start` to `stop`; `publish` is called there, must not block."""

    def __init__(
        self, forecast: Forecast, publish: Callable[[QueueForecast], None], interval_s: float = INTERVAL_S
    ) -> None:
        self.forecast, self._publish, self._interval_s = forecast, publish, interval_s
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
        self.forecast.warm_up()
        while not self._stop.is_set():
            try:
                queue = self.forecast.read()
            except (PipelineError, OSError) as error:
                # The queue cannot be read at this moment: what was said last stands until it can.
                if not self._troubled:
                    log.warning("no forecast: %s", error)
                self._troubled = True
            else:
                self._troubled, running = False, queue.running is not None
                self._publish(queue)
            self._stop.wait(self._interval_s * (1 if running else IDLE_FACTOR))

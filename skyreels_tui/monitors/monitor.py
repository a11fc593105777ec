"""The monitor thread: reads every sensor once a second while a job runs and publishes one frozen sample."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.monitors.cpu import CpuSensor
from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.health import HealthSensor
from skyreels_tui.monitors.memory import MemorySensor
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.queue.events import JobProgress

T = TypeVar("T")
log = logging.getLogger(__name__)

INTERVAL_S = 1.0
IDLE_FACTOR = 3
"""How much rarer samples are while no job runs: an idle program should cost nothing."""


@dataclass(frozen=True, slots=True)
class Sensors:
    """The sensors of one monitor, in the order they are read."""

    gpu: GpuSensor
    memory: MemorySensor
    disk: DiskSensor
    cpu: CpuSensor
    health: HealthSensor
    forecast: Forecast | None = None


class Monitor:
    """Reads `sensors` on its own daemon thread from `start` to `stop`.

    `publish` is called on that thread and must not block. `progress` gives the running job's latest report.
    """

    def __init__(
        self,
        sensors: Sensors,
        publish: Callable[[Sample], None],
        progress: Callable[[], JobProgress | None] = lambda: None,
        usual_step_s: Callable[[], float | None] = lambda: None,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sensors, self._publish, self._progress = sensors, publish, progress
        self._usual_step_s, self._interval_s, self._clock = usual_step_s, interval_s, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: set[str] = set()

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
        sensors, errors = self._sensors, []
        progress = self._progress()

        def guard(name: str, read: Callable[[], T]) -> T | None:
            # The sensor boundary: whatever a driver or a kernel file does, the panels go on without it.
            try:
                reading = read()
            except Exception as error:
                if name not in self._failed:
                    self._failed.add(name)
                    log.exception("the %s sensor failed", name)
                errors.append(f"{name}: {error or type(error).__name__}")
                return None
            self._failed.discard(name)
            return reading

        gpu = guard("gpu", sensors.gpu.read)
        memory = guard("memory", lambda: sensors.memory.read(gpu))
        disk = guard("disk", sensors.disk.read)
        cpu = guard("cpu", sensors.cpu.read)
        steps = progress.step_seconds if progress else ()
        usual = self._usual_step_s() if progress else None
        health = guard("health", lambda: sensors.health.judge(gpu, memory, steps, usual))
        queue = guard("queue", sensors.forecast.read) if sensors.forecast else None
        return Sample(self._clock(), gpu, memory, disk, cpu, health, queue, tuple(errors))

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._publish(self.sample())
            interval_s = self._interval_s * (1 if self._progress() else IDLE_FACTOR)
            self._stop.wait(max(0.05, interval_s - (time.monotonic() - began)))
        self._sensors.gpu.close()

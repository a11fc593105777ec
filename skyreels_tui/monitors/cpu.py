"""Reads processor load from /proc; knows nothing of who shows it."""

from __future__ import annotations

import os
from pathlib import Path

from skyreels_tui.monitors.sample import CpuReading


class CpuSensor:
    """Reads load below `proc`; use is the share of time since the reading before."""

    def __init__(self, proc: Path = Path("/proc"), cores: int | None = None) -> None:
        self._proc, self._cores = proc, cores or os.cpu_count() or 1
        self._before: tuple[int, int] | None = None

    def read(self) -> CpuReading:
        """Return the load of this moment."""
        busy_percent = None
        times = self._times()
        if times and self._before and times[1] > self._before[1]:
            busy, total = times[0] - self._before[0], times[1] - self._before[1]
            busy_percent = 100 * max(0, busy) / total
        self._before = times
        return CpuReading(busy_percent, self._load(), self._cores)

    def _times(self) -> tuple[int, int] | None:
        """(busy, total) ticks since boot."""
        try:
            with (self._proc / "stat").open(encoding="ascii") as stream:
                words = stream.readline().split()
        except OSError:
            return None
        if len(words) < 6 or words[0] != "cpu":
            return None
        # Guest time (fields 9 and 10) is part of user time already.
        ticks = [int(word) for word in words[1:9]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    def _load(self) -> float | None:
        try:
            return float((self._proc / "loadavg").read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None

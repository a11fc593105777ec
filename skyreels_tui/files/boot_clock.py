"""Time since the boot, which no one can set: what one process notes, another one of this machine can tell the age of.

Knows nothing of what is noted.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BootTime:
    """A moment of one boot."""

    boot: str
    """Changes with every boot; '' where the system does not tell."""
    seconds: float

    def age_s(self, then: BootTime) -> float | None:
        """Seconds from `then` to this moment; None when `then` is of another boot or has not come yet."""
        passed_s = self.seconds - then.seconds
        return passed_s if self.boot == then.boot and passed_s >= 0 else None


def boot_time() -> BootTime:
    """Read the clock of this machine; it goes on while the machine sleeps, where the system has such a clock."""
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return BootTime(boot, time.clock_gettime(clock))


def boot_time_of(values: object) -> BootTime:
    """Read back what `dataclasses.asdict` made; raises KeyError, TypeError or ValueError for anything else."""
    if not isinstance(values, dict):
        raise TypeError(type(values).__name__)
    return BootTime(str(values["boot"]), float(values["seconds"]))

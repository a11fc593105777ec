"""One reading of the machine: plain frozen figures, None where a figure cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuReading:
    """What NVML says about one GPU; every figure may be missing on its own."""

    problem: str = ""
    """Why there are no figures at all, in words for a person; '' when the GPU answers."""
    name: str = ""
    count: int | None = None
    """GPUs that the driver sees; None where it was not asked."""
    util_percent: int | None = None
    sm_clock_mhz: int | None = None
    max_sm_clock_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_events: int | None = None
    """Bits of NVML's clock-event reasons."""
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    process_bytes: int | None = None
    """GPU memory of the process that runs jobs."""
    unified: bool = False
    """CPU and GPU share one pool, so NVML's memory figures are absent or of no use."""


class Pool(StrEnum):
    """Which memory the figures are about."""

    UNIFIED = "unified"
    """CPU and GPU share it."""
    GPU = "GPU"
    """The GPU has its own."""
    SYSTEM = "system"
    """No GPU: plain memory."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """The pool that the model lives in, and what the system needs besides."""

    pool: Pool
    total_bytes: int | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None
    weights_bytes: int | None = None
    """Our resident weights; None when the engine has not said."""
    ours_bytes: int | None = None
    """All that the process with the engine holds, weights and spare blocks included."""
    spare_bytes: int | None = None
    """What the GPU's allocator keeps for the next call; None when there is no such allocator."""
    peak_bytes: int | None = None
    """Most that the running job, or the last one, has held."""
    page_cache_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    pressure_percent: float | None = None
    """Share of the last ten seconds in which some task waited for memory."""
    system_available_bytes: int | None = None
    """MemAvailable, also when the pool is the GPU's own."""

    @property
    def work_bytes(self) -> int | None:
        """Our bytes beyond the weights: activations, buffers, the program itself."""
        if self.ours_bytes is None:
            return None
        return max(0, self.ours_bytes - (self.weights_bytes or 0) - (self.spare_bytes or 0))

    @property
    def others_bytes(self) -> int | None:
        """Bytes of other programs."""
        if self.used_bytes is None:
            return None
        return max(0, self.used_bytes - (self.ours_bytes or 0))


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One file system that holds some of our folders."""

    roles: tuple[str, ...]
    """'results', 'cache', 'state': what lives there."""
    path: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class DiskReading:
    """Room, and what we keep on disk."""

    file_systems: tuple[FileSystem, ...] = ()
    """Each once, in the order results, cache, state."""
    result_bytes: int | None = None
    cache_bytes: int | None = None
    checkpoint_bytes: int | None = None
    """Snapshots and pieces of unfinished jobs."""
    models: tuple[tuple[str, int], ...] = ()
    """(name, bytes) of each model on this machine, largest first."""
    result_dir: str = ""
    """Where the videos of new jobs go."""

    def holding(self, role: str) -> FileSystem | None:
        """Return the file system that holds `role`."""
        return next((entry for entry in self.file_systems if role in entry.roles), None)


@dataclass(frozen=True, slots=True)
class HealthReading:
    """What is wrong or noteworthy now; empty when all is well."""

    words: tuple[str, ...] = ()
    """Short words for people, the most serious first."""
    serious: bool = False
    """Some of it costs speed or will stop the job."""


@dataclass(frozen=True, slots=True)
class Sample:
    """All sensors at one moment; the properties are the readings that the program itself knows."""

    at: float
    """Seconds since the epoch."""
    readings: Mapping[str, Any] = field(default_factory=dict)
    """Name of a sensor -> what it read; one that failed has none."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Name of a sensor that failed -> why, in its own words."""

    @property
    def gpu(self) -> GpuReading | None:
        """The GPU."""
        return self.readings.get("gpu")

    @property
    def memory(self) -> MemoryReading | None:
        """The pool that the model lives in."""
        return self.readings.get("memory")

    @property
    def disk(self) -> DiskReading | None:
        """Room, and what we keep."""
        return self.readings.get("disk")

    @property
    def health(self) -> HealthReading | None:
        """What is wrong with the machine."""
        return self.readings.get("health")


Read = Callable[[Sample], object]
"""Takes what was read before it in this round and returns a frozen reading; may raise, which is kept and said."""

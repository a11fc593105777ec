"""Reads the pool of memory the model lives in, from /proc and from what NVML and the engine say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipelines.front.host_memory import meminfo, resident_bytes
from skyreels_tui.monitors.sample import GpuReading, MemoryReading, Pool, Read
from skyreels_tui.monitors.surroundings import Surroundings, no_engine
from skyreels_tui.queue.events import EngineMemory


class MemorySensor:
    """Reads memory below `proc`; `engine` gives the allocator's figures when it has some."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        owner_pid: Callable[[], int | None] = os.getpid,
        engine: Callable[[], EngineMemory | None] = no_engine,
    ) -> None:
        self._proc, self._owner_pid, self._engine = proc, owner_pid, engine

    def read(self, gpu: GpuReading | None) -> MemoryReading:
        """Return the figures of this moment; `gpu` is the reading taken in the same round."""
        info = meminfo(self._proc)
        engine = self._engine()
        total, available = info.get("MemTotal"), info.get("MemAvailable")
        used = None if total is None or available is None else total - available
        host = self._host_bytes()
        weights = engine.weights_bytes if engine and engine.weights_bytes else None
        peak = engine.peak_bytes if engine and engine.peak_bytes else None
        spare = engine.spare_bytes if engine and engine.reserved_bytes else None
        device = gpu.process_bytes if gpu and gpu.process_bytes is not None else None
        if device is None and engine is not None:
            device = engine.reserved_bytes or None
        pool = _pool(gpu)
        if pool is Pool.GPU and gpu is not None:
            ours, total, used = device, gpu.memory_total_bytes, gpu.memory_used_bytes
            pool_available = None if total is None or used is None else total - used
        else:
            # GPU allocations on one pool are not part of the process's resident size.
            on_pool = device if pool is Pool.UNIFIED else None
            ours = None if host is None and on_pool is None else (host or 0) + (on_pool or 0)
            pool_available = available
            if pool is Pool.SYSTEM and peak is not None:
                # The engine looks at its resident size between blocks only.
                peak = max(peak, host or 0)
        swap_total, swap_free = info.get("SwapTotal"), info.get("SwapFree")
        return MemoryReading(
            pool=pool,
            total_bytes=total,
            used_bytes=used,
            available_bytes=pool_available,
            weights_bytes=weights,
            ours_bytes=ours,
            spare_bytes=spare,
            peak_bytes=peak,
            page_cache_bytes=_page_cache(info),
            swap_used_bytes=None if swap_total is None or swap_free is None else swap_total - swap_free,
            swap_total_bytes=swap_total,
            pressure_percent=self._pressure(),
            system_available_bytes=available,
        )

    def _host_bytes(self) -> int | None:
        pid = self._owner_pid()
        return None if pid is None else resident_bytes(pid, self._proc)

    def _pressure(self) -> float | None:
        for line in _lines(self._proc / "pressure" / "memory"):
            if line.startswith("some "):
                values = dict(part.split("=", 1) for part in line.split()[1:])
                return float(values["avg10"])
        return None


def sensor(of: Surroundings) -> Read:
    """Read the memory of the pool that the GPU of the same round names."""
    memory = MemorySensor(owner_pid=of.owner_pid, engine=of.engine)
    return lambda before: memory.read(before.gpu)


def _pool(gpu: GpuReading | None) -> Pool:
    if gpu is None or gpu.problem:
        return Pool.SYSTEM
    return Pool.UNIFIED if gpu.unified else Pool.GPU


def _page_cache(info: dict[str, int]) -> int | None:
    if "Cached" not in info:
        return None
    # Shared memory counts as cached in /proc/meminfo but cannot be reclaimed.
    return info["Cached"] + info.get("Buffers", 0) + info.get("SReclaimable", 0) - info.get("Shmem", 0)


def _lines(path: Path) -> list[str]:
    """Return the lines of a small kernel file; none when it does not exist or may not be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []

"""What estimates are held against, from what the sensors have read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipelines.front.admission import Memory, floor_bytes
from pipelines.front.peaks import PeakBook
from skyreels_tui.eta.forecast import WorkerKinds
from skyreels_tui.eta.outlook import Machine
from skyreels_tui.files.folders import free_bytes
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.memory import MemorySensor
from skyreels_tui.monitors.sample import GpuReading, MemoryReading, Pool, Sample
from skyreels_tui.queue.events import EngineMemory, QueueStatus
from skyreels_tui.settings.settings import Settings
from skyreels_tui.words.sizes import GIB


def machine_of(
    sample: Sample | None,
    result_dir: Path,
    settings: Settings,
    gpu_name: str,
    peaks: PeakBook | None = None,
    status: QueueStatus | None = None,
) -> Machine:
    """Return what is known; `gpu_name` is the driver's answer at the start, '' when it sees no GPU; `peaks` what
    jobs took here; `status` tells the workers of whoever runs the queue.

    Of the machines that a cluster has elsewhere no memory is known here, and GPUs only while somebody runs the queue.
    """
    gpu, memory, disk = (sample.gpu, sample.memory, sample.disk) if sample is not None else (None, None, None)
    results = disk.holding("results") if disk is not None else None
    free = results.free_bytes if results is not None else None
    if free is None:
        with suppress(OSError):
            free = free_bytes(result_dir)
    workers = together(status.crew) if status is not None and settings.cluster else None
    if settings.runs_elsewhere:
        gpus = None if workers is None or status is None else workers if status.has_gpus else 0
        return Machine(gpus, workers, more_may_join=True, result_dir=result_dir, free_disk_bytes=free)
    pool = _pool(memory)
    return Machine(
        gpus=_gpus(gpu, gpu_name),
        workers=workers,
        memory=pool,
        discrete=memory is not None and memory.pool is Pool.GPU,
        floor_bytes=floor_bytes(int(settings.memory_floor_gib * GIB), pool.total_bytes) if pool is not None else 0,
        peaks=peaks,
        result_dir=result_dir,
        free_disk_bytes=free,
    )


def read_once(owner_pid: int | None, engine: Callable[[], EngineMemory | None]) -> Sample:
    """Read GPU and memory a single time, for a process without a monitor."""
    sensor = GpuSensor(owner_pid=lambda: owner_pid)
    gpu = sensor.read()
    sensor.close()
    memory = MemorySensor(owner_pid=lambda: owner_pid, engine=engine).read(gpu)
    return Sample(0.0, {"gpu": gpu, "memory": memory})


def together(crew: WorkerKinds) -> int | None:
    """How many workers can take one job together: a GPU never works with a CPU. None while nobody has said."""
    kinds = [kind for name, kind in crew if name]
    on_cpu = kinds.count("cpu")
    return max(on_cpu, len(kinds) - on_cpu) or None


def _gpus(gpu: GpuReading | None, name: str) -> int:
    if not name:
        return 0
    return (gpu.count if gpu is not None else None) or 1


def _pool(memory: MemoryReading | None) -> Memory | None:
    if memory is None or memory.total_bytes is None or memory.available_bytes is None:
        return None
    # Warm networks make room for the next job, and blocks that the allocator keeps are as good as free.
    warm = (memory.weights_bytes or 0) + (memory.spare_bytes or 0)
    return Memory(memory.available_bytes, memory.total_bytes, warm)

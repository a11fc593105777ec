"""The executor's memory: what there is, what a job may take, what it took. Reaches torch only when it is called."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.front.admission import (
    ComputeDevice,
    Decision,
    Memory,
    admit,
    allocator_share,
    floor_bytes,
    networks_bytes,
    peak_bytes,
)
from pipelines.front.errors import OutOfMemory, PipelineError
from pipelines.front.host_memory import host_memory, resident_bytes
from pipelines.front.language import tr
from pipelines.front.memory import LoadPlan, requested_plan
from pipelines.front.peaks import PeakBook, kind_of
from pipelines.front.plan import Plan
from pipelines.front.request import Request
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.words.sizes import size

if TYPE_CHECKING:
    from pipelines.running.pool import ModelPool

UNIFIED_NAMES = ("GB10", "Thor", "Orin", "Tegra")
"""Parts of the names of GPUs that share one pool of memory with the CPU."""

ReadMemory = Callable[["ModelPool | None"], Memory | None]
"""Reads the memory that networks live in; None when nobody can tell."""


class MemoryKeeper:
    """Decides for each job how it is loaded, and learns from what the jobs took."""

    def __init__(
        self, device: str, book: Path, floor_bytes: int, read: ReadMemory | None = None, *, is_alone: bool = True
    ) -> None:
        """`floor_bytes` is what must stay available; `read` replaces the sensor, for tests.

        Without `is_alone` GPUs of other hosts are there too, as many as a job asks for.
        """
        self.device, self._is_alone = device, is_alone
        self.compute = ComputeDevice(on_cpu=device == "cpu", discrete=device == "cuda" and not _is_unified())
        self._read = read or self._sensor
        self._floor_bytes = floor_bytes
        self._book = PeakBook(book)
        self._host_peak = 0

    def decide(self, request: Request, plan: Plan, pool: ModelPool | None) -> Decision:
        """How the job may start now, or why it waits or cannot run."""
        load = requested_plan(request, discrete=self.compute.discrete, gpus=self._num_gpus())
        memory = self._read(pool)
        if memory is None:
            return Decision(load, 0)
        floor = floor_bytes(self._floor_bytes, memory.total_bytes)
        return admit(plan, load, memory, floor, self.compute, correction=self._book.correction_of(request, self.device))

    def _num_gpus(self) -> int | None:
        if self.device != "cuda" or not self._is_alone:
            return None
        import torch

        return torch.cuda.device_count()

    def begin(self) -> None:
        """Start measuring a job's peak."""
        self._host_peak = 0
        if self.device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()

    def held(self, pool: ModelPool) -> EngineMemory:
        """What this process holds now, and the job's peak: the allocator's own on a GPU, else the highest seen."""
        weights = pool.num_bytes()
        if self.device == "cuda":
            import torch

            allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
            return EngineMemory(weights, allocated, reserved, torch.cuda.max_memory_reserved())
        resident = resident_bytes() or 0
        self._host_peak = max(self._host_peak, resident)
        return EngineMemory(weights, resident, 0, self._host_peak)

    def end(self, request: Request, plan: Plan, load: LoadPlan) -> str:
        """Keep the peak of a finished job beside its prediction; returns a line for the log, '' on a CPU.

        A CPU job shares its process with everything else, so its own peak cannot be told. On a GPU the networks of
        other jobs may be warm: what the job took besides all that stays there counts, on top of its own networks.
        """
        if self.device != "cuda":
            return ""
        import torch

        work = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()
        measured = networks_bytes(plan, load, self.compute) + work
        predicted = peak_bytes(plan, load, self.compute)
        if request.profile == "full":
            self._book.note(kind_of(request, self.device), predicted, measured)
        return tr(
            "peak memory {measured}, predicted {predicted}",
            measured=size(measured),
            predicted=size(predicted),
        )

    def limit_allocator(self) -> None:
        """Let torch refuse what would go below the floor: an error can be handled, a frozen machine cannot."""
        if self.device == "cuda":
            import torch

            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(allocator_share(self.compute, total, self._floor_bytes))

    def said_with(self, request: Request) -> tuple[str, ...]:
        """Warnings about fields that do nothing on this machine."""
        if request.offload and not self.compute.discrete:
            why = tr("there is no GPU") if self.compute.on_cpu else tr("CPU and GPU share one memory")
            return (tr("offload changed nothing: {why}", why=why),)
        return ()

    def _sensor(self, pool: ModelPool | None) -> Memory | None:
        held = 0 if pool is None else pool.num_bytes()
        if self.device != "cuda":
            memory = host_memory()
            return None if memory is None else Memory(memory.available_bytes, memory.total_bytes, held)
        import torch

        # Blocks that the allocator keeps are as good as free.
        held = torch.cuda.memory_reserved()
        if self.compute.discrete:
            free, total = torch.cuda.mem_get_info()
            return Memory(free, total, held)
        # On one pool the driver's own figure leaves out page cache that the kernel would give back.
        memory = host_memory()
        return None if memory is None else Memory(memory.available_bytes, memory.total_bytes, held)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the device or on the host."""
    import torch

    if isinstance(error, OutOfMemory | MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # The CPU's allocator has no class of its own.
    return isinstance(error, RuntimeError) and not isinstance(error, PipelineError) and "allocate memory" in str(error)


def _is_unified() -> bool:
    import torch

    return bool(getattr(torch.cuda.get_device_properties(0), "is_integrated", False)) or any(
        part in torch.cuda.get_device_name(0) for part in UNIFIED_NAMES
    )

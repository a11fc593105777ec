"""One rank of a run: its gang, what was asked for, and one line of the report a case."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pipelines.benchmark.several import Timed
from pipelines.parallel.gang import Gang
from several.report import Report


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    ranks: tuple[int, ...]
    cases: tuple[str, ...]
    layers: int
    few_layers: int
    repeats: int
    kernel: str
    cache: str
    folder: str
    dry_run: bool
    deadline: float


@dataclass(frozen=True)
class Bench:
    """What every case is told."""

    gang: Gang
    options: Options

    def case(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        """Run `work` on all ranks and store what rank 0 returns; a failure is a line of the report."""
        late = torch.tensor([float(time.time() > self.options.deadline)])
        dist.broadcast(late, 0, group=self.gang.host)
        found: dict[str, Any] = {"skipped": "out of time"}
        if not late.item():
            try:
                found = work()
            except Exception as error:
                traceback.print_exc()
                found = {"error": f"{type(error).__name__}: {error}"[:500]}
        if self.gang.is_leader:
            Report(Path(self.options.folder) / "parallel.json").store(name, self.gang.size, found)
        dist.barrier(group=self.gang.host)

    def kept(self, name: str, out: Tensor | None = None) -> Tensor | None:
        """Keep an output of one GPU for the gangs that come later, or find it; None when there is none."""
        path = Path(self.options.folder) / f"{name.replace(' ', '-')}.pt"
        if out is not None and self.gang.is_leader:
            torch.save(out.half().cpu() if out.dtype == torch.float16 else out.cpu(), path)
        return torch.load(path, weights_only=True) if out is None and path.exists() else out


def figures(timed: Timed, scale: float = 1.0, **more: Any) -> dict[str, Any]:
    """A line of the report."""
    seconds = [second * scale for second in timed.seconds]
    return {"seconds": seconds, "peak_gib": timed.peak_bytes / 2**30, **more}

"""How this machine's speed grows with the number of its devices: the same calls by one, by two and by more of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipelines.benchmark import several
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.parallel.gang import Gang
from pipelines.parallel.processes import run_ranks

MESSAGES_MIB = (16, 64, 256, 512)
SMALL_MESSAGES_MIB = (1, 4)
"""On a CPU."""


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """What is measured."""

    case: str
    """Only the cases whose name contains this."""
    layers: int
    repeats: int
    kernel: str
    """The attention of every rank; '' on a CPU."""
    cache: str


def measure_scaling(
    sizes: Sequence[int], plan: ScalingPlan, device: str, starting: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Measure each number of devices in processes of its own, one after the other; `starting` is told before each.

    device: 'cuda' or 'cpu'; on a CPU the ranks are processes and everything is tiny. Raises what `run_ranks` raises.
    """
    with tempfile.TemporaryDirectory(prefix="skyreels-bench-") as folder:
        for size in sizes:
            starting(size)
            run_ranks(size, _measure, plan, folder, device=device)
        return [torch.load(_file(folder, size), weights_only=True) for size in sizes]


def _file(folder: str, size: int) -> Path:
    return Path(folder) / f"{size}.pt"


def _measure(gang: Gang, plan: ScalingPlan, folder: str) -> None:
    """One rank's share; rank 0 writes what was found."""
    is_cpu = gang.device.type == "cpu"
    if not is_cpu:
        keep_compiled(Path(plan.cache))
        attention.prefer(plan.kernel)
    found: dict[str, Any] = {"gpus": gang.size, "steps": []}
    if gang.size > 1:
        sizes = SMALL_MESSAGES_MIB if is_cpu else MESSAGES_MIB
        found["exchange_gb_per_s"] = {str(mib): several.exchange_rate(gang, mib) for mib in sizes}
    decoded = several.time_decode(gang, *several.decoder_for(gang), plan.repeats)
    found |= {"decode_s": decoded.median_s, "decode_peak_bytes": decoded.peak_bytes}
    network, built = None, None
    for case in several.cases_for(gang, plan.case):
        # Reference to video and video extension have networks of one size.
        sized_as = several.network_options(case.family)
        if sized_as != built:
            # The old network must be gone before the new one is built: both at once may not fit.
            network = None
            several.forget_peak(gang)
            network, built = several.network_for(gang, case.family, plan.layers), sized_as
        assert network is not None
        timed, velocity = several.time_call(gang, network, case, plan.repeats)
        scale = several.FULL_LAYERS / plan.layers
        step = {"name": case.name, "step_s": timed.median_s * scale, "peak_bytes": timed.peak_bytes}
        alone = Path(folder) / f"{case.name}.pt"
        if gang.size == 1:
            torch.save(velocity.cpu(), alone)
        elif gang.is_leader and alone.exists():
            step["relative_l2"] = several.distance(velocity, torch.load(alone, weights_only=True))
        found["steps"].append(step)
    if gang.is_leader:
        torch.save(found, _file(folder, gang.size))

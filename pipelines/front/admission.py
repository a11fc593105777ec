"""Whether a job fits into memory, in which of its plans, and what to say when it does not; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.front.language import tr
from pipelines.front.memory import LoadPlan, leaner_plans
from pipelines.front.plan import Plan
from pipelines.front.progress import Stage
from pipelines.front.sizes import size

FLOAT8_SHARE = 0.52
"""Weights that remain when matrices are stored in 8 bits; norms, embeddings and the VAE stay what they are."""

OFFLOADED_SHARE = 0.12
"""Weights on the device when blocks visit it two at a time: 2 of 40, and everything that is no matrix."""

CPU_FACTOR = 2
"""A CPU computes in float32."""


@dataclass(frozen=True, slots=True)
class Memory:
    """One reading of the memory that networks live in."""

    available_bytes: int
    """What could still be taken, warm networks not counted in."""
    total_bytes: int
    reclaimable_bytes: int = 0
    """Held by warm networks, which make room for the next job."""


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """Where jobs compute."""

    on_cpu: bool = False
    discrete: bool = False
    """A GPU with memory of its own."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a job: it runs as `plan`, or it waits, or it is refused."""

    plan: LoadPlan | None
    needed_bytes: int
    words: str = ""
    """Why another plan than the one asked for, why it waits, or why it is refused."""
    never: bool = False
    """Not even an idle machine could run it."""
    room_bytes: int | None = None
    """What networks may hold while the job runs, so that its work memory fits beside them; None is no limit."""


def predict_bytes(plan: Plan, load: LoadPlan, device: ComputeDevice) -> dict[Stage, int]:
    """Bytes at the worst moment of each phase that matters, the networks included."""
    factor = CPU_FACTOR if device.on_cpu else 1
    text = plan.text_bytes * factor
    kept = 0 if load.release_text_encoder else text
    weights = networks_bytes(plan, load, device) - kept
    if load.tiled_decode:
        decode = plan.tiled_decode_bytes
    else:
        decode = plan.exact_decode_bytes if load.exact_decode or device.on_cpu else plan.decode_bytes
    return {
        Stage.TEXT: text,
        # A transformer that is warm from the job before, or that an avatar's passes share, is there already.
        Stage.CONDITION: weights + kept + plan.encode_bytes,
        Stage.DENOISE: weights + kept + plan.denoise_bytes * factor,
        Stage.DECODE: weights + kept + decode,
    }


def networks_bytes(plan: Plan, load: LoadPlan, device: ComputeDevice) -> int:
    """Bytes of all networks that stay on the device while denoising."""
    factor = CPU_FACTOR if device.on_cpu else 1
    weights = plan.weights_bytes * factor
    if load.float8_weights:
        weights = int(weights * FLOAT8_SHARE)
    if load.offload_blocks:
        weights = int(weights * OFFLOADED_SHARE)
    if device.on_cpu:
        # Every GPU has memory of its own for its copy; processes take theirs from one.
        weights *= load.ranks
    return weights + (0 if load.release_text_encoder else plan.text_bytes * factor)


def peak_bytes(plan: Plan, load: LoadPlan, device: ComputeDevice) -> int:
    """The worst of all phases."""
    return max(predict_bytes(plan, load, device).values())


def floor_bytes(wanted: int, total: int) -> int:
    """The floor on a machine of `total` bytes: never more than a tenth of it, or a small machine could run nothing."""
    return min(wanted, total // 10)


def allocator_share(device: ComputeDevice, total: int, wanted_floor: int) -> float:
    """The part of a GPU's memory that its allocator may take: all of its own, but never the floor of a shared pool."""
    return 1.0 if device.discrete else 1 - floor_bytes(wanted_floor, total) / total


def fits(needed_bytes: int, memory: Memory, floor: int) -> bool:
    """Whether so much can be taken now without going below the floor."""
    return needed_bytes <= memory.available_bytes + memory.reclaimable_bytes - floor


def admit(
    plan: Plan, load: LoadPlan, memory: Memory, floor: int, device: ComputeDevice, *, correction: float = 1.0
) -> Decision:
    """Choose the first plan that fits, from the one asked for to leaner ones.

    Leaner plans that change the picture are taken by themselves only where the exact ones could not fit on an idle
    machine; otherwise the job waits for memory. `correction` is what such jobs really took, over the prediction.
    """
    rungs = [load, *leaner_plans(load, discrete=device.discrete)]
    needs = [int(peak_bytes(plan, rung, device) * correction) for rung in rungs]
    same = [i for i, rung in enumerate(rungs) if rung.is_approximate == load.is_approximate]
    idle = memory.total_bytes - floor
    can_be_same = any(needs[i] <= idle for i in same)
    candidates = same if can_be_same else range(len(rungs))
    for i in candidates:
        if fits(needs[i], memory, floor):
            networks = networks_bytes(plan, rungs[i], device)
            room = memory.available_bytes + memory.reclaimable_bytes - floor - (needs[i] - networks)
            return Decision(rungs[i], needs[i], _announced(load, rungs[i]), room_bytes=room)
    leanest = min((needs[i] for i in candidates), default=needs[-1])
    available = memory.available_bytes + memory.reclaimable_bytes - floor
    figures = {"needed": size(leanest), "available": size(available)}
    if leanest > idle:
        words = tr(
            "needs {needed}, {available} available, more than this machine's {total} can give: "
            "choose a lower resolution or a shorter video",
            **figures,
            total=size(memory.total_bytes),
        )
        return Decision(None, leanest, words, never=True)
    if can_be_same and not load.float8_weights:
        cure = tr("needs {needed}, {available} available: close other programs or choose fp8 (Low VRAM)", **figures)
    else:
        cure = tr("needs {needed}, {available} available: close other programs", **figures)
    return Decision(None, leanest, cure)


def next_leaner(load: LoadPlan, device: ComputeDevice) -> LoadPlan | None:
    """The plan to retry with after memory ran out; None when there is no leaner one."""
    return next(leaner_plans(load, discrete=device.discrete), None)


def added(before: LoadPlan, after: LoadPlan) -> Sequence[str]:
    """What `after` does besides what `before` does, in words."""
    return [tr(word) for word in after.words if word not in before.words]


def _announced(asked: LoadPlan, chosen: LoadPlan) -> str:
    if chosen == asked:
        return ""
    measures = ", ".join(added(asked, chosen))
    if chosen.is_approximate and not asked.is_approximate:
        return tr("memory is short: runs with {measures} (approximate)", measures=measures)
    return tr("memory is short: runs with {measures}", measures=measures)

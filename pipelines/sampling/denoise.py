"""The denoising loop of all families: predict, step, store, report. Knows nothing about prompts or files' formats."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipelines.front.progress import PreviewStrip, Progress, Report, Stage, ignore_progress
from pipelines.front.runtime import never
from pipelines.running.resume import Snapshot, WorkDir, keep_velocity
from pipelines.sampling.schedulers import STORED_PREFIX, Scheduler

Predict = Callable[[Tensor, float], Tensor]
"""(latents float32, timestep) -> velocity of the same shape."""

Preview = Callable[[Tensor, float], PreviewStrip]
"""(x0 estimate, when its step began, by the monotonic clock) -> small pictures of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What happens at every step edge besides the arithmetic."""

    work: WorkDir | None = None
    """Where snapshots go."""
    report: Report = ignore_progress
    segment: int = 0
    num_segments: int = 1
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors stored with every snapshot: conditions that later steps or segments need."""
    values: Callable[[], Mapping[str, object]] = dict
    """Plain values stored with every snapshot, asked for at each step (the state of a generator)."""
    preview: Preview | None = None
    wants_preview: Callable[[], bool] = never
    after_step: Callable[[Tensor, int], Tensor] | None = None
    """(latents, finished steps) -> latents: a condition that is put back after every step."""
    detail: str = ""


def denoise(latents: Tensor, scheduler: Scheduler, predict: Predict, hooks: Hooks | None = None) -> Tensor:
    """Run the scheduler from its present step to the end and return the final latents, float32.

    After each step its snapshot is taken, then `report` is called, which may raise Cancelled. The snapshot is on the
    disk before the next one is taken, and in any case when this returns or raises.
    """
    hooks = hooks or Hooks()
    num_steps = len(scheduler.timesteps)
    velocities = hooks.work.velocities if hooks.work is not None else None
    with hooks.work.saving_beside() if hooks.work is not None else nullcontext(_keep_nothing) as save:
        _tell(hooks, scheduler.step_index, num_steps, None)
        while scheduler.step_index < num_steps:
            began_s = time.monotonic()
            velocity = predict(latents, scheduler.timesteps[scheduler.step_index])
            if velocities is not None:
                keep_velocity(velocities, hooks.segment, scheduler.step_index, velocity)
            latents = scheduler.step(velocity, latents)
            if hooks.after_step is not None:
                latents = hooks.after_step(latents, scheduler.step_index)
            save(snapshot(latents, scheduler, hooks))
            _tell(hooks, scheduler.step_index, num_steps, scheduler.x0, began_s)
    return latents


def _keep_nothing(_snapshot: Snapshot) -> None:
    """Where no work folder is."""


def snapshot(latents: Tensor, scheduler: Scheduler, hooks: Hooks) -> Snapshot:
    """Everything from which `resume_scheduler` continues."""
    tensors, values = scheduler.state()
    return Snapshot(
        hooks.segment,
        scheduler.step_index,
        {"latents": latents, **tensors, **{f"kept.{name}": value for name, value in hooks.kept.items()}},
        {STORED_PREFIX: values, **hooks.values()},
    )


def resume_scheduler(
    stored: Snapshot, scheduler: Scheduler, device: str | torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    """Put the scheduler where the snapshot left it; return the latents and the kept tensors, on `device`."""
    tensors = {name: value.to(device) for name, value in stored.tensors.items()}
    scheduler.restore(tensors, stored.values[STORED_PREFIX])
    kept = {name.removeprefix("kept."): value for name, value in tensors.items() if name.startswith("kept.")}
    return tensors["latents"], kept


def _tell(hooks: Hooks, step: int, num_steps: int, x0: Tensor | None, began_s: float = 0.0) -> None:
    picture = None
    if x0 is not None and hooks.preview is not None and hooks.wants_preview():
        picture = hooks.preview(x0, began_s)
    hooks.report(
        Progress(
            Stage.DENOISE,
            step,
            num_steps,
            hooks.segment,
            hooks.num_segments,
            detail=hooks.detail,
            preview=picture,
        )
    )

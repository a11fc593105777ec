"""The denoising loop of all families: predict, step, store, report. Knows nothing about prompts or files' formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipelines.front.progress import PreviewStrip, Progress, Report, Stage, ignore_progress
from pipelines.front.runtime import never
from pipelines.running.resume import Snapshot, WorkDir
from pipelines.sampling.schedulers import Solver

Predict = Callable[[Tensor, float], Tensor]
"""(latents float32, timestep) -> velocity of the same shape."""


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
    preview: Callable[[Tensor], PreviewStrip] | None = None
    """Turns the x0 estimate into small pictures."""
    wants_preview: Callable[[], bool] = never
    after_step: Callable[[Tensor, int], Tensor] | None = None
    """(latents, finished steps) -> latents: a condition that is put back after every step."""
    detail: str = ""


def denoise(latents: Tensor, solver: Solver, predict: Predict, hooks: Hooks | None = None) -> Tensor:
    """Run the solver from its present step to the end and return the final latents, float32.

    After each step the snapshot is stored first, then `report` is called, which may raise Cancelled.
    """
    hooks = hooks or Hooks()
    num_steps = solver.timetable.num_steps
    _tell(hooks, solver.step_index, num_steps, None)
    while solver.step_index < num_steps:
        velocity = predict(latents, solver.timetable.timesteps[solver.step_index])
        latents = solver.step(velocity, latents)
        if hooks.after_step is not None:
            latents = hooks.after_step(latents, solver.step_index)
        if hooks.work is not None:
            hooks.work.save(snapshot(latents, solver, hooks))
        _tell(hooks, solver.step_index, num_steps, solver.x0)
    return latents


def snapshot(latents: Tensor, solver: Solver, hooks: Hooks) -> Snapshot:
    """Everything from which `resume_solver` continues."""
    tensors, values = solver.state()
    return Snapshot(
        hooks.segment,
        solver.step_index,
        {"latents": latents, **tensors, **{f"kept.{name}": value for name, value in hooks.kept.items()}},
        {"solver": values, **hooks.values()},
    )


def resume_solver(stored: Snapshot, solver: Solver, device: str | torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """Put the solver where the snapshot left it; return the latents and the kept tensors, on `device`."""
    tensors = {name: value.to(device) for name, value in stored.tensors.items()}
    solver.restore(tensors, stored.values["solver"])
    kept = {name.removeprefix("kept."): value for name, value in tensors.items() if name.startswith("kept.")}
    return tensors["latents"], kept


def _tell(hooks: Hooks, step: int, num_steps: int, x0: Tensor | None) -> None:
    picture = None
    if x0 is not None and hooks.preview is not None and hooks.wants_preview():
        picture = hooks.preview(x0)
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

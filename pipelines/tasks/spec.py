"""What a task is to the rest of the program: a request type, a plan, and the name of its family's entry."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.request import Request


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece or window of a job: one denoising loop and one decode."""

    num_tokens: int
    """Tokens of one transformer call, condition included."""
    num_steps: int
    calls_per_step: int
    latent_frames: int
    """Latent frames that are decoded."""
    new_frames: int
    """Frames this segment adds to the result."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request will cost, known before any model is loaded."""

    height: int
    width: int
    fps: int
    num_frames: int
    """Frames of new video in the result."""
    segments: tuple[Segment, ...]
    denoise_flops: float
    vae_flops: float
    weights_bytes: int
    """Weights that are resident at once while denoising."""
    text_bytes: int
    activation_bytes: int
    """Work memory on top of the weights at the worst moment."""
    output_bytes: int
    work_bytes: int
    """Disk for snapshots and finished pieces while the job runs."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the largest transformer call."""
        return max(segment.num_tokens for segment in self.segments)

    @property
    def transformer_calls(self) -> int:
        """Calls of the transformer in the whole job."""
        return sum(segment.num_steps * segment.calls_per_step for segment in self.segments)

    @property
    def peak_bytes(self) -> int:
        """Predicted peak memory."""
        return self.weights_bytes + self.text_bytes + self.activation_bytes


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task: everything that a form, the queue and the executor need to know about it."""

    name: str
    title: str
    short: str
    """At most six letters, for the queue table."""
    hint: str
    """One sentence for a person choosing a task."""
    family: str
    """Key of `pipelines.checkpoints.registry.CHECKPOINTS`."""
    request_type: type[Request]
    entry: str
    """'module:function' of the family's generate(request, runtime, pool, report) -> Output; imports torch."""
    plan: Callable[[Any], Plan]
    """Cost of a valid request; opens input files to learn their size. Raises MediaError."""

    def load_entry(self) -> Callable[..., Any]:
        """Import the family (torch and all) and return its generate function."""
        module, function = self.entry.split(":")
        entry: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return entry

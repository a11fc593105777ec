"""What a running job tells the outside: its stage, step and segment; knows nothing about who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipelines.front.language import mark


class Stage(StrEnum):
    """The phases of every job, in order."""

    LOAD = mark("load")
    TEXT = mark("text")
    CONDITION = mark("condition")
    DENOISE = mark("denoise")
    DECODE = mark("decode")
    WRITE = mark("write")


@dataclass(frozen=True, slots=True)
class PreviewStrip:
    """Small RGB pictures of the x0 estimate, side by side."""

    width: int
    height: int
    """Size of one picture in pixels: of the latents, or of a decoded frame made smaller."""
    frames: tuple[int, ...]
    """The latent frames shown."""
    rgb: bytes
    """len(frames) pictures of height * width * 3 bytes each, one after the other."""
    step: int = 0
    """The step that was shown where it is told again later; 0: that of the report that brings it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One report; `step` of `num_steps` counts finished units of `stage` within `segment`."""

    stage: Stage
    step: int = 0
    num_steps: int = 0
    """0 when the stage has no countable units."""
    segment: int = 0
    """Index of the piece or window, from 0."""
    num_segments: int = 1
    detail: str = ""
    """A short word for people: 'cached', 'cudnn attention', a file name."""
    bytes_done: int = 0
    bytes_total: int = 0
    """Bytes of weights while loading."""
    preview: PreviewStrip | None = None


Report = Callable[[Progress], None]
"""Called at every edge where stopping is safe; raises `Cancelled` when the job is to stop."""


def ignore_progress(_: Progress) -> None:
    """A `Report` for callers that do not care, such as parity runs."""

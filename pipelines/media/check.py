"""Says in words, within 5 seconds and bounded memory, why a media file cannot be used as an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.errors import Problem


def image_problem(path: str | Path) -> str:
    """Return '' for a usable picture, else what is wrong with it."""
    raise NotImplementedError


def video_problem(path: str | Path, frames_needed: int, raw_frames: bool = False) -> str:
    """Return '' for a video with `frames_needed` frames at 24 fps (as stored when `raw_frames`), else why not."""
    raise NotImplementedError


def audio_problem(path: str | Path, min_s: float, max_s: float) -> str:
    """Return '' for a recording (or a video with sound) of `min_s` to `max_s` seconds, else why not."""
    raise NotImplementedError


def file_problems(field: str, paths: Sequence[str], check: Callable[[str], str]) -> list[Problem]:
    """Run `check` over `paths`; one Problem for `field` a refused file, its name first when there are several."""
    raise NotImplementedError

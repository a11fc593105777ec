"""Opens a finished file again and says what is really in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Facts:
    """What an mp4 holds, and why its picture looks wrong ('' when it does not)."""

    width: int
    height: int
    num_frames: int
    fps: float
    duration_s: float
    has_audio: bool
    suspect: str = ""


def examine(path: str | Path) -> Facts:
    """Probe a file and look at a few decoded frames; MediaError when it cannot be read."""
    raise NotImplementedError

"""Opens a finished file again and says what is really in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.front.language import tr
from pipelines.media.read.probe import probe_video
from pipelines.media.read.thumbnail import frames_at

LOOKS = 5
"""Frames decoded for the judgement, spread over the part that is judged."""
LOOK_WIDTH, LOOK_HEIGHT = 96, 64
BLACK_LEVEL, FLAT_SPREAD, FROZEN_CHANGE = 4.0, 1.0, 0.6
"""Bytes: below this mean a frame is black, below this deviation one colour, below this change standing still."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What an mp4 holds, and why its picture looks wrong ('' when it does not)."""

    width: int
    height: int
    num_frames: int
    fps: float
    duration_s: float
    has_audio: bool
    suspect: str = ""


def examine(path: str | Path, first_frame: int = 0) -> VideoFacts:
    """Probe a file and look at a few decoded frames from `first_frame` on; MediaError when it cannot be read."""
    info = probe_video(path)
    last = max(first_frame, info.num_frames - 1)
    times = np.linspace(first_frame / info.fps, last / info.fps, LOOKS) if last > first_frame else [last / info.fps]
    looks = frames_at(path, [float(time) for time in times], *_look_size(info.width, info.height))
    pictures = np.stack([np.frombuffer(look, dtype=np.uint8) for look in looks]).astype(np.float32)
    return VideoFacts(
        width=info.width,
        height=info.height,
        num_frames=info.num_frames,
        fps=info.fps,
        duration_s=info.duration_s,
        has_audio=info.has_audio,
        suspect=_suspicion(pictures),
    )


def _look_size(width: int, height: int) -> tuple[int, int]:
    """Shrink without a border: a black one would count as picture."""
    scale = min(1.0, LOOK_WIDTH / width, LOOK_HEIGHT / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _suspicion(pictures: np.ndarray) -> str:
    """Judge pictures [N, bytes]."""
    if (pictures.mean(axis=1) < BLACK_LEVEL).all():
        return tr("every frame looked at is black")
    spread = pictures.reshape(len(pictures), -1, 3).std(axis=1).max(axis=1)
    if (spread < FLAT_SPREAD).all():
        return tr("every frame looked at is one flat colour")
    changes = np.abs(np.diff(pictures, axis=0)).mean(axis=1)
    if len(changes) and (changes < FROZEN_CHANGE).all():
        return tr("the picture stands still from the first frame to the last")
    return ""

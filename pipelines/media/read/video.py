"""Reads the end of a video; knows no writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.trim import WHOLE, Trim
from pipelines.media.files import shown
from pipelines.media.read.frames import Pictures, frames_within, last_pictures, read_frames, shown_at
from pipelines.media.read.probe import probe_video


def read_tail(path: str | Path, num_frames: int, fps: float | None = 24.0, trim: Trim = WHOLE) -> NDArray[np.uint8]:
    """Return the last frames of a trimmed video upright, [num_frames, H, W, 3] with square pixels.

    With `fps` what a player shows at that rate; None takes the last pictures whatever their rate.
    MediaError when there are too few.
    """
    info = probe_video(path)

    def count(pictures: Pictures) -> int:
        return frames_within(pictures.length_s, fps) if fps else len(pictures.times_s)

    rate = fps or info.fps
    pictures = last_pictures(info, trim, (num_frames + 1) / min(rate, info.fps))
    available = count(pictures)
    if available < num_frames and pictures.from_s > 0:
        pictures = last_pictures(info, trim, info.span_s)
        available = count(pictures)
    if available < num_frames:
        facts = {"name": shown(path), "available": available, "needed": num_frames}
        if fps is None:
            raise MediaError(tr("{name}: has {available} frames, {needed} are needed", **facts))
        raise MediaError(tr("{name}: has {available} frames at {fps:g} fps, {needed} are needed", fps=fps, **facts))
    last = len(pictures.times_s) - 1
    if fps:
        indices = shown_at(pictures.times_s, pictures.held_s, fps, num_frames)
    else:
        indices = list(range(last - num_frames + 1, last + 1))
    indices = [pictures.skipped + index for index in indices]
    frames = np.empty((num_frames, info.height, info.width, 3), dtype=np.uint8)
    decoded = read_frames(info.path, indices, info.width, info.height, pictures.from_s)
    for index, frame in enumerate(decoded):
        frames[index] = frame
    return frames


def last_frame(path: str | Path) -> Image.Image:
    """Return the last frame, upright, RGB."""
    return Image.fromarray(read_tail(path, 1, fps=None)[0], mode="RGB")

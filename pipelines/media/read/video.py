"""Reads the end of a video; knows no writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.files import shown
from pipelines.media.read.frames import frames_within, read_frames, shown_at, tail_times
from pipelines.media.read.probe import probe_video


def read_tail(path: str | Path, num_frames: int, fps: float | None = 24.0) -> NDArray[np.uint8]:
    """Return the last frames upright, [num_frames, H, W, 3] with square pixels.

    With `fps` what a player shows at that rate; None takes the last pictures whatever their rate.
    MediaError when there are too few.
    """
    info = probe_video(path)
    rate = fps or info.fps
    times, from_s = tail_times(info, (num_frames + 1) / min(rate, info.fps))
    available = frames_within(times[-1] - times[0] + info.held_s, fps) if fps else len(times)
    if available < num_frames and from_s > 0:
        times, from_s = tail_times(info, info.span_s)
        available = frames_within(times[-1] - times[0] + info.held_s, fps) if fps else len(times)
    if available < num_frames:
        facts = {"name": shown(path), "available": available, "needed": num_frames}
        if fps is None:
            raise MediaError(tr("{name}: has {available} frames, {needed} are needed", **facts))
        raise MediaError(tr("{name}: has {available} frames at {fps:g} fps, {needed} are needed", fps=fps, **facts))
    last = len(times) - 1
    indices = shown_at(times, info.held_s, fps, num_frames) if fps else list(range(last - num_frames + 1, last + 1))
    frames = np.empty((num_frames, info.height, info.width, 3), dtype=np.uint8)
    decoded = read_frames(info.path, indices, info.width, info.height, from_s)
    for index, frame in enumerate(decoded):
        frames[index] = frame
    return frames


def last_frame(path: str | Path) -> Image.Image:
    """Return the last frame, upright, RGB."""
    return Image.fromarray(read_tail(path, 1, fps=None)[0], mode="RGB")

"""Video frames -> what a piece of an extension is conditioned on; knows nothing about files or networks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.front.shapes import PATCH, SPATIAL_STRIDE, BucketTable, nearest_bucket

PIXELS_PER_TOKEN = SPATIAL_STRIDE * PATCH

Frames = npt.NDArray[np.uint8]
"""Bytes [frames, height, width, 3]."""


def source_indices(source: int, target: int) -> npt.NDArray[np.intp]:
    """Which index of an axis of length `source` each of `target` indices shows: nearest neighbour, rounded down.

    The quotient is float32 as in the published resize; in float64 some indices would differ by one.
    """
    step = np.float32(source) / np.float32(target)
    indices = np.floor(np.arange(target, dtype=np.float32) * step).astype(np.intp)
    return np.minimum(indices, source - 1)


def stretch(frames: Frames, height: int, width: int) -> Frames:
    """Resize bytes to (height, width) by nearest neighbour, each axis on its own: stretched, never cropped."""
    rows = source_indices(frames.shape[1], height)
    columns = source_indices(frames.shape[2], width)
    return np.ascontiguousarray(frames[:, rows[:, None], columns[None, :]])


class LastFrames:
    """A ring that keeps the last `count` frames of a stream; holds bytes of its own, never views of a chunk."""

    def __init__(self, count: int) -> None:
        self._ring: deque[Frames] = deque(maxlen=count)

    def extend(self, frames: Iterable[Frames]) -> None:
        """Append frames [height, width, 3] in order."""
        self._ring.extend(np.array(frame, dtype=np.uint8) for frame in frames)

    def stacked(self) -> Frames:
        """Return the kept frames as one array."""
        return np.stack(list(self._ring))


def fit_bucket(table: BucketTable, frames: Frames) -> tuple[int, int]:
    """Size of a video made from `frames`: the bucket nearest in shape, floored to whole patches of 16 pixels."""
    height, width = nearest_bucket(table, frames.shape[1], frames.shape[2])
    return height - height % PIXELS_PER_TOKEN, width - width % PIXELS_PER_TOKEN

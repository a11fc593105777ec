"""Reads the end of a video and streams frames into H.264 files; memory does not grow with the length."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def read_tail(path: str | Path, num_frames: int, fps: float | None = 24.0) -> NDArray[np.uint8]:
    """Return the last frames upright, [num_frames, H, W, 3] with square pixels.

    With `fps` the frames nearest to t_end - i/fps; None takes the last stored frames whatever their rate.
    MediaError when there are too few.
    """
    raise NotImplementedError


def last_frame(path: str | Path) -> Image.Image:
    """Return the last frame, upright, RGB."""
    raise NotImplementedError


class VideoWriter:
    """Encodes frames to H.264 (yuv420p, crf 17, no B-frames) while the caller computes the next ones.

    `close()` (or leaving the `with`) finishes the file; an exception inside the `with` removes it.
    """

    def __init__(self, path: str | Path, width: int, height: int, fps: float) -> None:
        raise NotImplementedError

    frames_written: int

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Queue frames [N, H, W, 3]; blocks when the encoder is behind. MediaError or DiskFull when it died."""
        raise NotImplementedError

    def close(self) -> None:
        """Wait for the encoder; MediaError or DiskFull when the file is not whole."""
        raise NotImplementedError

    def abort(self) -> None:
        """Stop the encoder and remove the partial file; safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

"""A picture held for as many frames as an extension needs to begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.front.shapes import MODEL_FPS, SINGLE_CONDITION_FRAMES
from pipelines.media.read.images import load_image
from pipelines.media.write.video import VideoWriter


def write_held(picture: Path, target: Path) -> None:
    """Write a video of 25 equal frames; of an odd width or height the last column or row is left out."""
    frame = np.asarray(load_image(picture), dtype=np.uint8)
    frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
    height, width = frame.shape[:2]
    with VideoWriter(target, width, height, MODEL_FPS) as writer:
        for _ in range(SINGLE_CONDITION_FRAMES):
            writer.write(frame[None])

"""Reads reference pictures the way the models expect them; knows nothing about tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def load_image(path: str | Path) -> Image.Image:
    """Return the first frame upright (EXIF applied) in RGB; alpha is dropped, not blended."""
    raise NotImplementedError


def letterbox(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Fit a picture into height x width on white, Lanczos; returns [height, width, 3]."""
    raise NotImplementedError

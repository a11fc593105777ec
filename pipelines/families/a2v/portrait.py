"""The portrait: scaled and cropped to the size of the video; knows nothing of models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MAX_CROPPED_SHARE = 1 / 3
"""Above this share of lost picture a person is warned."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Where a picture of one size is scaled to and cut so that it fills another."""

    resized: tuple[int, int]
    """(height, width) after scaling."""
    top: int
    left: int
    target: tuple[int, int]
    """(height, width) after cutting."""

    @property
    def lost_share(self) -> float:
        """Share of the picture's area that falls away."""
        return 1 - math.prod(self.target) / math.prod(self.resized)


def fill_crop(height: int, width: int, target: tuple[int, int]) -> Crop:
    """Return the crop that fills `target` from the middle of a picture; halves round to even."""
    scale = max(target[0] / height, target[1] / width)
    resized = math.ceil(scale * height), math.ceil(scale * width)
    top, left = (round((have - want) / 2) for have, want in zip(resized, target, strict=True))
    return Crop(resized, top, left, target)


def crop_picture(image: Image.Image, crop: Crop) -> np.ndarray:
    """Scale an RGB picture with Pillow's antialiased bilinear filter and cut it: uint8 [H, W, 3]."""
    height, width = crop.resized
    scaled = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return scaled[crop.top : crop.top + crop.target[0], crop.left : crop.left + crop.target[1]]


def signed_picture(pixels: np.ndarray) -> Tensor:
    """Turn uint8 [H, W, 3] into float32 [1, 3, 1, H, W] in -1..1."""
    channels_first = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    return (channels_first.float() / 255 - 0.5)[None, :, None] * 2


def to_bytes(video: Tensor) -> np.ndarray:
    """Turn float32 [1, 3, T, H, W] in -1..1 into uint8 [T, H, W, 3], truncating as the model's authors do."""
    levels = ((video[0] + 1) * 127.5).clamp(0, 255).to(torch.uint8)
    return levels.permute(1, 2, 3, 0).contiguous().cpu().numpy()

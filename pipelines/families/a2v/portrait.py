"""The portrait: scaled and cropped to the size of the video; knows nothing of models."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.front.crop import Crop
from pipelines.front.regions import BACKGROUND, Grid

MAX_CROPPED_SHARE = 1 / 3
"""Above this share of lost picture a person is warned."""


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


def speaker_masks(grid: Grid) -> Tensor:
    """Turn the tokens' classes into float32 0/1 masks [3, h, w] of latents: speaker 1, speaker 2, background."""
    classes = torch.tensor(grid)
    tokens = torch.stack([classes == number for number in range(BACKGROUND + 1)])
    return tokens.float().repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)

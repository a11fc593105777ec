"""Colour matching: gives each frame the Lab mean and spread of a reference; knows no models."""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = (0.95047, 1.0, 1.08883)
"""D65 white point; the constants of this file are those the model's frames were matched with in training."""

RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
XYZ_TO_RGB = (
    (3.2404813432005266, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965682, 1.8759900014898907, 0.0415559265582928),
    (0.0556466391351772, -0.2040413383665112, 1.0573110696453443),
)
MIN_SPREAD = 1e-6


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Turn sRGB [..., 3, H, W] in 0..1 into Lab of the same shape, L in 0..100."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, RGB_TO_XYZ) / _white(rgb)
    cube_root = torch.clamp(xyz, min=0.008856) ** (1 / 3)
    fx, fy, fz = torch.where(xyz > 0.008856, cube_root, 7.787 * xyz + 4 / 29).unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Turn Lab [..., 3, H, W] back into sRGB of the same shape, clamped to 0..1."""
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([a / 500 + fy, fy, torch.clamp(fy - b / 200, min=0)], dim=-3)
    xyz = torch.where(f > 0.2068966, f**3, (f - 4 / 29) / 7.787) * _white(lab)
    linear = _mix(xyz, XYZ_TO_RGB)
    gamma = 1.055 * torch.clamp(linear, min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, gamma, 12.92 * linear).clamp(0, 1)


def lab_statistics(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation of each channel: two tensors [..., 3, 1, 1].

    Summed in float64: a frame of one colour has a spread of 0, so that any rounding of its mean would be
    divided by `MIN_SPREAD` and give another colour.
    """
    wide = lab.double()
    mean = wide.mean(dim=(-2, -1), keepdim=True)
    spread = wide.std(dim=(-2, -1), keepdim=True, correction=0)
    return mean.to(lab.dtype), spread.to(lab.dtype)


def match_colors(video: Tensor, reference: Tensor, strength: float = 1.0) -> Tensor:
    """Return `video` with the reference's colours; frame by frame, so only one frame of work memory.

    Args:
        video: [1, 3, T, H, W] float32 in -1..1.
        reference: [1, 3, 1, H', W'] float32 in -1..1.
        strength: 0 returns `video` itself, 1 replaces its colours.
    """
    if strength == 0:
        return video
    return give_colors(video, *lab_statistics(rgb_to_lab((reference[0, :, 0] + 1) / 2)), strength)


def shared_statistics(video: Tensor) -> Tensor:
    """Lab mean and spread of all pixels of all frames [1, 3, T, H, W] in -1..1, as one tensor [2, 3, 1, 1]."""
    wide = [rgb_to_lab((video[0, :, index] + 1) / 2).double() for index in range(video.shape[2])]
    means = torch.stack([lab.mean(dim=(-2, -1), keepdim=True) for lab in wide])
    squares = torch.stack([lab.square().mean(dim=(-2, -1), keepdim=True) for lab in wide])
    mean = means.mean(dim=0)
    spread = (squares.mean(dim=0) - mean.square()).clamp(min=0).sqrt()
    return torch.stack((mean, spread)).to(video.dtype)


def give_colors(video: Tensor, target_mean: Tensor, target_spread: Tensor, strength: float = 1.0) -> Tensor:
    """Return `video` [1, 3, T, H, W], each frame with the given Lab mean and spread, [3, 1, 1] both."""
    matched = torch.empty_like(video)
    for index in range(video.shape[2]):
        rgb = (video[0, :, index] + 1) / 2  # [3, H, W]
        lab = rgb_to_lab(rgb)
        mean, spread = lab_statistics(lab)
        moved = (lab - mean) * (target_spread / spread.clamp(min=MIN_SPREAD)) + target_mean
        matched[0, :, index] = 2 * ((1 - strength) * rgb + strength * lab_to_rgb(moved)) - 1
    return matched


def _mix(channels: Tensor, matrix: tuple[tuple[float, float, float], ...]) -> Tensor:
    first, second, third = channels.unbind(-3)
    return torch.stack([a * first + b * second + c * third for a, b, c in matrix], dim=-3)


def _white(like: Tensor) -> Tensor:
    return torch.tensor(WHITE, dtype=like.dtype, device=like.device).view(3, 1, 1)

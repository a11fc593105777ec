"""Rotary position tables: built in float64, kept in float32, cached by shape."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

PREFIX_POSITION = 1024
"""Temporal position of the first prefix frame (shot switching)."""


def axis_channels(head_dim: int) -> tuple[int, int, int]:
    """Channels of a head for time, height and width: (44, 42, 42) for 128."""
    space = 2 * (head_dim // 6)
    return head_dim - 2 * space, space, space


def axis_angles(positions: Tensor, channels: int) -> Tensor:
    """Angles position * 10000^(-2j / channels) in float64, [len(positions), channels / 2]."""
    exponent = torch.arange(0, channels, 2, dtype=torch.float64) / channels
    return torch.outer(positions.to(torch.float64), 10000.0**-exponent)


@lru_cache(maxsize=8)
def rope_tables(
    head_dim: int, frame_positions: tuple[int, ...], rows: int, columns: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return cos and sin, float32 [frames * rows * columns, head_dim / 2], tokens in order frame, row, column."""
    channels = axis_channels(head_dim)
    positions = (torch.tensor(frame_positions), torch.arange(rows), torch.arange(columns))
    size = (len(frame_positions), rows, columns)
    parts = []
    for axis, (where, width) in enumerate(zip(positions, channels, strict=True)):
        shape = [1, 1, 1, -1]
        shape[axis] = size[axis]
        parts.append(axis_angles(where, width).view(shape).expand(*size, width // 2))
    angles = torch.cat(parts, dim=-1).flatten(0, 2)  # [L, head_dim / 2]
    return angles.cos().float().to(device), angles.sin().float().to(device)


def frame_positions(num_frames: int, num_prefix_frames: int = 0) -> tuple[int, ...]:
    """Temporal positions of the new frames from 0, then of the prefix frames from 1024."""
    return (*range(num_frames), *range(PREFIX_POSITION, PREFIX_POSITION + num_prefix_frames))

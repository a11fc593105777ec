"""Two speakers in one picture: which sound a video token listens to, read off the self-attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.models.transformer.attention import attention
from pipelines.models.transformer.rope import axis_angles

SPEAKER_RANGES = ((0.0, 4.0), (20.0, 24.0))
"""Positions that the tokens of speaker 1 and of speaker 2 are spread over."""

BACKGROUND_POSITION = 12.0
KEY_POSITIONS = (2.0, 22.0)
"""Positions of the audio tokens of speaker 1 and of speaker 2."""

HEADS_AT_ONCE = 8
"""All heads at once would take as much memory as another copy of the tokens."""


def token_masks(masks: Tensor, rows: int, columns: int) -> Tensor:
    """Reduce masks [3, h, w] (speaker 1, speaker 2, background) to the token grid: float32 0/1 [3, rows * columns]."""
    flags = (masks > 0).float()[None]
    return F.interpolate(flags, size=(rows, columns), mode="nearest")[0].flatten(1)


def speaker_map(q: Tensor, first_frame_keys: Tensor, masks: Tensor) -> Tensor:
    """Mean attention of every token to each class of the first latent frame, float32 [3, L].

    q [1, L, H, D] and first_frame_keys [1, S, H, D] after norm and rotation; masks [3, S] of 0 and 1. Attending to
    the masks as values gives the class sums without ever storing the scores.
    """
    heads, masks = q.shape[2], masks.to(q.device)
    values = q.new_zeros(1, first_frame_keys.shape[1], heads, q.shape[-1])
    values[..., :3] = masks.T[None, :, None]
    sums = torch.zeros(3, q.shape[1], device=q.device)
    for some in torch.arange(heads).split(HEADS_AT_ONCE):
        part = slice(int(some[0]), int(some[-1]) + 1)
        found = attention(q[:, :, part], first_frame_keys[:, :, part], values[:, :, part])  # [1, L, some, D]
        sums += found[0, :, :, :3].float().sum(1).T
    return sums / heads / masks.sum(1, keepdim=True)


def query_positions(classes: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
    """Rotary position of every token, float32 [L], from the map [3, L].

    least, most: [3], of each class over all tokens, where the map holds only some of them.
    """
    least = classes.amin(1) if least is None else least
    most = classes.amax(1) if most is None else most
    winner = classes.argmax(0)
    positions = torch.full_like(classes[0], BACKGROUND_POSITION)
    for speaker, (low, high) in enumerate(SPEAKER_RANGES):
        share = (classes[speaker] - least[speaker]) / (most[speaker] - least[speaker] + 1e-8)
        positions = torch.where(winner == speaker, share * (high - low) + low, positions)
    return positions


def key_positions(num_tokens: int, device: torch.device) -> Tensor:
    """Rotary position of one frame's audio tokens, speaker 1 first, float32 [num_tokens]."""
    half = num_tokens // 2
    return torch.tensor([KEY_POSITIONS[0]] * half + [KEY_POSITIONS[1]] * (num_tokens - half), device=device)


def speaker_tables(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """cos and sin, float32 [len(positions), 1, head_dim / 2]."""
    angles = axis_angles(positions.cpu(), head_dim).to(torch.float32).to(positions.device)[:, None]
    return angles.cos(), angles.sin()

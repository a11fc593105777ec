"""What an avatar's pass is told besides its text: speech, given frames and their mask; loads nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from pipelines.families.a2v.windows import KEY_FRAME_REPEAT, known_mask


def mirror_end(embedding: Tensor, num_frames: int) -> Tensor:
    """Extend speech [L, layers, channels] to `num_frames` with its own last frames in reverse order."""
    missing = num_frames - len(embedding)
    return torch.cat([embedding, embedding[-missing:].flip(0)]) if missing > 0 else embedding


def speech_windows(embedding: Tensor, start: int, num_frames: int, window: int) -> Tensor:
    """Speech around every frame from `start` on, [1, num_frames, window, layers, channels].

    Beyond both ends of `embedding` [L, layers, channels] its first or last vector repeats.
    """
    frames = torch.arange(start, start + num_frames)[:, None]
    around = frames + torch.arange(window) - window // 2  # [num_frames, window]
    return embedding[around.clamp(0, len(embedding) - 1).to(embedding.device)][None]


def condition_pixels(known: Tensor, key_frame: Tensor | None, num_frames: int) -> Tensor:
    """The given frames of a pass, [1, 3, num_frames, H, W]; frames nobody gave are 0, mid grey.

    Args:
        known: [1, 3, n, H, W] first frames: the portrait or the last motion frames.
        key_frame: [1, 3, 1, H, W] that the last frames are held to, or None.
        num_frames: frames of the pass.
    """
    pixels = known.new_zeros(*known.shape[:2], num_frames, *known.shape[3:])
    pixels[:, :, : known.shape[2]] = known
    if key_frame is not None:
        pixels[:, :, -KEY_FRAME_REPEAT:] = key_frame
    return pixels


def with_mask(latents: Tensor, known_frames: int, has_key_frame: bool, num_frames: int) -> Tensor:
    """Put the four mask channels ahead of the encoded frames [1, 16, T, h, w]: [1, 20, T, h, w]."""
    rows = known_mask(num_frames, known_frames, KEY_FRAME_REPEAT if has_key_frame else 0)
    mask = latents.new_tensor(rows)[None, :, :, None, None]  # [1, 4, T, 1, 1]
    return torch.cat([mask.expand(-1, -1, -1, *latents.shape[3:]), latents], dim=1)

"""Turns an x0 estimate into four small pictures; knows nothing of models, decoding or terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipelines.front.progress import PreviewStrip

if TYPE_CHECKING:
    import torch

NUM_PICTURES = 4

LATENT_TO_RGB: npt.NDArray[np.float32] = np.array(
    [
        (-0.1299, -0.1692, 0.2932), (0.0671, 0.0406, 0.0442), (0.3568, 0.2548, 0.1747),
        (0.0372, 0.2344, 0.1420), (0.0313, 0.0189, -0.0328), (0.0296, -0.0956, -0.0665),
        (-0.3477, -0.4059, -0.2925), (0.0166, 0.1902, 0.1975), (-0.0412, 0.0267, -0.1364),
        (-0.1293, 0.0740, 0.1636), (0.0680, 0.3019, 0.1128), (0.0032, 0.0581, 0.0639),
        (-0.1251, 0.0927, 0.1699), (0.0060, -0.0633, 0.0005), (0.3477, 0.2275, 0.2950),
        (0.1984, 0.0913, 0.1861),
    ],
    dtype=np.float32,
)  # fmt: skip
"""[16, 3]: a linear fit from normalised latents of this VAE to RGB in -1..1."""

RGB_BIAS: npt.NDArray[np.float32] = np.array((-0.1835, -0.0868, -0.3360), dtype=np.float32)


def preview_frames(num_latent_frames: int) -> tuple[int, ...]:
    """Return at most four latent frames, evenly spread, the first and the last among them."""
    count = min(NUM_PICTURES, num_latent_frames)
    if count <= 1:
        return (0,) * count
    return tuple(round(index * (num_latent_frames - 1) / (count - 1)) for index in range(count))


def strip_from_array(x0: npt.NDArray[np.float32], frames: tuple[int, ...]) -> PreviewStrip:
    """Make pictures of `x0`, [16, N, H, W] normalised latents of the N latent frames named by `frames`."""
    count, height, width = x0.shape[1:]
    rgb = LATENT_TO_RGB.T @ x0.reshape(len(LATENT_TO_RGB), -1)  # [3, N * H * W]
    rgb *= 127.5
    rgb += ((RGB_BIAS + 1.0) * 127.5 + 0.5)[:, None]
    # fmax takes the number of a pair: NaN from a broken step turns black and harms no other pixel.
    np.fmax(rgb, 0.0, out=rgb)
    np.fmin(rgb, 255.0, out=rgb)
    pixels = rgb.astype(np.uint8).reshape(3, count, height, width).transpose(1, 2, 3, 0)
    return PreviewStrip(width=width, height=height, frames=frames, rgb=pixels.tobytes())


def preview_strip(x0: torch.Tensor) -> PreviewStrip:
    """Make the strip of `x0`, [1, 16, F, H, W] or [16, F, H, W] normalised latents on any device.

    Only the four shown frames leave the device.
    """
    latents = x0[0] if x0.ndim == 5 else x0
    frames = preview_frames(latents.shape[1])
    shown = latents[:, list(frames)].detach().float().cpu().numpy()  # [16, N, H, W]
    return strip_from_array(shown, frames)

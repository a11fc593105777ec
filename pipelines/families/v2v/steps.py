"""What both extension tasks are made of, besides the denoising loop: conditions, velocities, bytes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from pipelines.families.v2v.condition_frames import Frames
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.transformer import SkyReelsTransformer, TextContext
from pipelines.models.vae.vae import Decode, decode_stream, encode_mean, normalise
from pipelines.sampling.colors import give_colors
from pipelines.sampling.denoise import Predict


def to_signed(frames: Frames) -> Tensor:
    """Bytes [N, H, W, 3] -> float32 [1, 3, N, H, W] in [-1, 1]."""
    return (torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 127.5 - 1)[None]


def encode_frames(vae: AutoencoderKLWan, frames: Frames) -> Tensor:
    """Latents [1, 16, P, H / 8, W / 8] of condition frames [4 (P - 1) + 1, H, W, 3]; nothing is drawn."""
    return normalise(vae, encode_mean(vae, to_signed(frames)))


def truncate_to_bytes(pixels: Tensor) -> Frames:
    """float32 [1, 3, n, H, W] in [-1, 1] -> bytes [n, H, W, 3], rounded down as the model's own frames are."""
    unit = (pixels[0].float() / 2 + 0.5).clamp(0, 1) * 255
    frames: Frames = unit.to(torch.uint8).permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames


def decode_bytes(
    vae: AutoencoderKLWan, latents: Tensor, decode: Decode = decode_stream, colors: Tensor | None = None
) -> Generator[Frames, None, None]:
    """Decode latents [1, 16, T, h, w] one latent frame at a time: 1 frame, then 4 and 4. Close it if left early.

    With `colors` of `shared_statistics` every frame gets these.
    """
    with closing(decode(vae, latents)) as chunks:
        for pixels in chunks:
            if colors is not None:
                mean, spread = colors.to(pixels.device)
                pixels = give_colors(pixels.float(), mean, spread)
            yield truncate_to_bytes(pixels)


def seeded_noise(seed: int, num_latent_frames: int, height: int, width: int) -> Tensor:
    """Noise [1, 16, n, height, width] of latent size from a fresh generator.

    It is drawn on the CPU, so that a seed means the same on every machine.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(16, num_latent_frames, height, width, generator=generator)[None]


def continuing_velocity(transformer: SkyReelsTransformer, context: TextContext, condition: Tensor) -> Predict:
    """Velocity of new frames that go on after the clean latents `condition` [1, 16, P, h, w]."""
    num_condition = condition.shape[2]

    def predict(latents: Tensor, timestep: float) -> Tensor:
        timesteps, frame_index = two_timesteps(timestep, num_condition, latents, condition_first=True)
        whole = torch.cat((condition, latents), dim=2)  # [1, 16, P + n, h, w]
        return transformer(whole, timesteps, context, frame_index=frame_index)[:, :, num_condition:]

    return predict


def switching_velocity(transformer: SkyReelsTransformer, context: TextContext, prefix: Tensor) -> Predict:
    """Velocity of a new shot that follows the clean latents `prefix` [1, 16, P, h, w] after a cut."""

    def predict(latents: Tensor, timestep: float) -> Tensor:
        timesteps, frame_index = two_timesteps(timestep, prefix.shape[2], latents, condition_first=False)
        return transformer(latents, timesteps, context, frame_index=frame_index, prefix=prefix)

    return predict


def two_timesteps(
    timestep: float, num_condition: int, latents: Tensor, *, condition_first: bool
) -> tuple[Tensor, Tensor]:
    """The two timesteps there are, 0 and the present one, and which of them every latent frame has."""
    timesteps = torch.tensor([0, timestep], device=latents.device)
    condition, new = [0] * num_condition, [1] * latents.shape[2]
    order = condition + new if condition_first else new + condition
    return timesteps, torch.tensor(order, device=latents.device)

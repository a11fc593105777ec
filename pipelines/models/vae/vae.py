"""The Wan video autoencoder: library class, our loading, encoding and a decode that streams.

Pixels are float32 in [-1, 1], [B, 3, T, H, W]; latents [B, 16, 1 + (T - 1) // 4, H / 8, W / 8].
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from pipelines.front.progress import Report, ignore_progress
from pipelines.loading.keymap import WAN_VAE
from pipelines.loading.load import (
    STORED_AS_IS,
    Precision,
    load_network,
    read_config,
    stored_shapes,
    tensor_files,
)
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.vae.decoder import StreamingDecoder, decoder_weights

Decode = Callable[[AutoencoderKLWan, Tensor], Generator[Tensor, None, None]]
"""(autoencoder, normalised latents) -> chunks of float32 pixels, as `decode_stream` gives them."""

Chunks = Callable[[AutoencoderKLWan, Tensor], Generator[Tensor, None, None]]
"""As `Decode`, of raw latents."""


def load_vae(
    source: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    report: Report = ignore_progress,
) -> AutoencoderKLWan:
    """Load a diffusers folder, or a `.pth` in the original layout whose sizes are read off its tensors."""
    if source.suffix == ".pth":
        shapes = stored_shapes([source])
        config = {"base_dim": shapes["encoder.conv1.weight"][0], "z_dim": shapes["conv2.weight"][0]}
        files, keymap = [source], WAN_VAE
    else:
        stored = read_config(source)
        config = {name: value for name, value in stored.items() if not name.startswith("_")}
        files, keymap = tensor_files(source), STORED_AS_IS
    return load_network(
        lambda: AutoencoderKLWan(**config),
        files,
        keymap=keymap,
        precision=Precision(dtype),
        device=device,
        report=report,
    )


def to_pixels(frames: Tensor) -> Tensor:
    """uint8 [T, H, W, 3] -> float32 [1, 3, T, H, W] in [-1, 1]."""
    return ((frames.permute(3, 0, 1, 2).float() / 255 - 0.5) / 0.5)[None]


def encode_moments(vae: AutoencoderKLWan, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance (clamped to [-30, 20]) of the posterior, not normalised."""
    posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    return posterior.mean, posterior.logvar


def encode_mean(vae: AutoencoderKLWan, pixels: Tensor) -> Tensor:
    """Mean of the posterior, not normalised; draws nothing."""
    return encode_moments(vae, pixels)[0]


def encode_sample(vae: AutoencoderKLWan, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """One draw from the posterior, not normalised; takes float32 numbers of the latents' shape from `generator`."""
    mean, logvar = encode_moments(vae, pixels)
    noise = posterior_noise(mean, generator)
    return mean + torch.exp(0.5 * logvar) * noise.to(mean.device)


def posterior_noise(mean: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal float32 numbers of the mean's shape, on the generator's device."""
    return torch.randn(mean.shape, generator=generator, device=generator.device, dtype=torch.float32)


def normalise(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Latents of the autoencoder -> latents of the transformer, float32."""
    mean, std = _statistics(vae, latents)
    return (latents.float() - mean) / std


def denormalise(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Latents of the transformer -> latents of the autoencoder, float32."""
    mean, std = _statistics(vae, latents)
    return latents.float() * std + mean


def _statistics(vae: AutoencoderKLWan, latents: Tensor) -> tuple[Tensor, Tensor]:
    values = torch.tensor((vae.config.latents_mean, vae.config.latents_std), device=latents.device)
    mean, std = values.view(2, 1, -1, 1, 1, 1).unbind(0)
    return mean, std


def decode_stream(
    vae: AutoencoderKLWan, latents: Tensor, *, exact: bool = False, together: Chunks | None = None
) -> Generator[Tensor, None, None]:
    """Decode normalised latents [1, 16, T, h, w], yielding float32 pixels [1, 3, n, H, W] in [-1, 1].

    n is 1 for the first latent frame and 4 for each later one; joined they equal the decode of the whole. On
    CUDA the products run in float16 with float32 sums, less than one level of 255 from float32; `exact` keeps
    float32. `together` is a decode by several devices that goes before this one's, unless `exact`. The causal
    caches of the float32 decode live in `vae`, so one stream a network at a time: close one that is left early.
    With tiling the whole comes at once.
    """
    raw = denormalise(vae, latents).to(vae.device, vae.dtype)
    if vae.use_tiling:
        yield vae.decode(raw).sample.float().clamp(-1, 1)
        return
    done = 0
    fast = together or (_half_chunks if raw.is_cuda else None)
    if fast is not None and not exact:
        with closing(fast(vae, raw)) as chunks:
            for pixels in chunks:
                # float16 ends at 65504. A value beyond it shows as NaN here; float32 then takes over.
                if not torch.isfinite(pixels).all():
                    break
                yield pixels
                done += 1
            else:
                return
    yield from itertools.islice(library_chunks(vae, raw), done, None)


def _half_chunks(vae: AutoencoderKLWan, raw: Tensor) -> Generator[Tensor, None, None]:
    decoder = StreamingDecoder(decoder_weights(vae, torch.float16), torch.float32)
    for latent in raw[0].transpose(0, 1).split(1):
        yield decoder.decode(latent).transpose(0, 1)[None]


def library_chunks(vae: AutoencoderKLWan, raw: Tensor) -> Iterator[Tensor]:
    """Decode raw latents with the library's own layers, in the autoencoder's dtype."""
    vae.clear_cache()
    try:
        hidden = vae.post_quant_conv(raw)
        for i in range(hidden.shape[2]):
            vae._conv_idx = [0]
            chunk = vae.decoder(
                hidden[:, :, i : i + 1],
                feat_cache=vae._feat_map,
                feat_idx=vae._conv_idx,
                first_chunk=i == 0,
            )
            yield chunk.float().clamp(-1, 1)
    finally:
        vae.clear_cache()


def to_frames(pixels: Tensor) -> Tensor:
    """float32 [1, 3, n, H, W] in [-1, 1] -> uint8 [n, H, W, 3] on the CPU, rounding halves to even."""
    unit = (pixels[0].float() / 2 + 0.5).clamp(0, 1)
    return (unit * 255).round().to(torch.uint8).permute(1, 2, 3, 0).contiguous().cpu()

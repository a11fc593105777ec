"""The transformer's small parts: embedders, attention weights, feed-forward and the audio projector.

Attribute names are the tensor names of diffusers' Wan transformer; audio parts keep the released names.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.models.lean.scaled_linear import ScaledLinear
from pipelines.models.transformer import ops


class RowNorm(nn.Module):
    """Holds the weight of an RMS norm over the whole width; the arithmetic is `ops.rms_norm_rope`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))


class AffineNorm(nn.Module):
    """Layer norm with weight and bias, float32 inside."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm_affine(x, self.weight, self.bias, self.eps)


class Projection(nn.Module):
    """A linear layer called `proj`."""

    def __init__(self, dim_in: int, dim_out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim_in, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class FeedForward(nn.Module):
    """Linear, GELU, Linear under the names net.0.proj and net.2; tanh GELU unless `exact`."""

    def __init__(self, dim: int, inner: int, dim_out: int, *, exact: bool = False) -> None:
        super().__init__()
        self.exact = exact
        self.net = nn.ModuleList([Projection(dim, inner), nn.Identity(), nn.Linear(inner, dim_out)])

    def forward(self, x: Tensor) -> Tensor:
        first, last = cast(Projection, self.net[0]).proj, self.net[2]
        if isinstance(last, ScaledLinear) and not self.exact:
            return last.multiply(*last.quantize(first(x), gelu=True)).unflatten(0, x.shape[:-1])
        return last(F.gelu(first(x)) if self.exact else ops.linear_gelu(first, x))


class TwoLinears(nn.Module):
    """The weights linear_1 and linear_2 of the time and text embedders."""

    def __init__(self, dim_in: int, dim: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(dim_in, dim)
        self.linear_2 = nn.Linear(dim, dim)


class TextEmbedder(TwoLinears):
    """Projects text features with a tanh GELU between."""

    def forward(self, text: Tensor) -> Tensor:
        return self.linear_2(ops.gelu_tanh(self.linear_1(text)))


class TimeEmbedder(TwoLinears):
    """Embeds sinusoids in its own dtype (float32 when loaded as intended)."""

    def forward(self, sinusoid: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(sinusoid.to(self.linear_1.weight.dtype)))).float()


class ImageEmbedder(nn.Module):
    """Projects CLIP tokens: norm, linear, exact GELU, linear, norm; norms with eps 1e-5."""

    def __init__(self, image_dim: int, dim: int) -> None:
        super().__init__()
        self.norm1 = AffineNorm(image_dim, 1e-5)
        self.ff = FeedForward(image_dim, image_dim, dim, exact=True)
        self.norm2 = AffineNorm(dim, 1e-5)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm2(self.ff(self.norm1(image)))


class ConditionEmbedder(nn.Module):
    """Time, text and picture embedders."""

    def __init__(self, dim: int, freq_dim: int, text_dim: int, image_dim: int | None) -> None:
        super().__init__()
        self.time_embedder = TimeEmbedder(freq_dim, dim)
        self.time_proj = nn.Linear(dim, 6 * dim)
        self.text_embedder = TextEmbedder(text_dim, dim)
        self.image_embedder = ImageEmbedder(image_dim, dim) if image_dim else None

    def modulation(self, temb: Tensor) -> Tensor:
        """Float32 [U, 6, D] from the time embedding [U, D]; the few rows are not worth a bfloat16 rounding."""
        weight, bias = self.time_proj.weight.float(), self.time_proj.bias.float()
        return F.linear(F.silu(temb), weight, bias).unflatten(-1, (6, -1))


def timestep_sinusoid(timesteps: Tensor, freq_dim: int, dtype: torch.dtype) -> Tensor:
    """cos, then sin, of t * 10000^(-j / half), j < half, computed in `dtype`; float32 [U, freq_dim]."""
    half = freq_dim // 2
    steps = torch.arange(half, dtype=dtype, device=timesteps.device)
    frequencies = torch.exp(-math.log(10000) * steps / half)
    angles = timesteps.to(dtype)[:, None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1).float()


class AttentionWeights(nn.Module):
    """Query, key, value and output projections with norms; `added_kv` adds keys and values for picture tokens."""

    def __init__(self, dim: int, *, added_kv: bool = False) -> None:
        super().__init__()
        self.to_q = nn.Linear(dim, dim)
        self.to_k = nn.Linear(dim, dim)
        self.to_v = nn.Linear(dim, dim)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.norm_q = RowNorm(dim)
        self.norm_k = RowNorm(dim)
        self.add_k_proj = nn.Linear(dim, dim) if added_kv else None
        self.add_v_proj = nn.Linear(dim, dim) if added_kv else None
        self.norm_added_k = RowNorm(dim) if added_kv else None


class AudioAttentionWeights(nn.Module):
    """Query from video tokens, keys and values from audio tokens (keys first in `kv_linear`)."""

    def __init__(self, dim: int, audio_dim: int) -> None:
        super().__init__()
        self.q_linear = nn.Linear(dim, dim)
        self.kv_linear = nn.Linear(audio_dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)


class AudioProjector(nn.Module):
    """Turns windows of sound features into a few tokens for every latent frame."""

    def __init__(self, *, feature_dim: int, window: int, stride: int, inner: int, num_tokens: int, dim: int) -> None:
        super().__init__()
        self.window, self.stride, self.num_tokens = window, stride, num_tokens
        self.proj1 = nn.Linear(window * feature_dim, inner)
        self.proj1_vf = nn.Linear((window + stride - 1) * feature_dim, inner)
        self.proj2 = nn.Linear(inner, inner)
        self.proj3 = nn.Linear(inner, num_tokens * dim)
        self.norm = AffineNorm(dim, 1e-5)

    def forward(self, windows: Tensor) -> Tensor:
        """windows [P, frames, window, layers, hidden] -> tokens [P, latent frames, num_tokens, dim]."""
        middle = self.window // 2
        first = windows[:, :1].flatten(2)  # [P, 1, window * features]
        groups = windows[:, 1:].unflatten(1, (-1, self.stride))  # [P, T - 1, stride, window, layers, hidden]
        later = torch.cat(
            (
                groups[:, :, 0, : middle + 1],
                groups[:, :, 1:-1, middle],
                groups[:, :, -1, middle:],
            ),
            dim=2,
        ).flatten(2)  # [P, T - 1, (window + stride - 1) * features]
        hidden = torch.cat((F.relu(self.proj1(first)), F.relu(self.proj1_vf(later))), dim=1)
        tokens = self.proj3(F.relu(self.proj2(hidden)))
        return self.norm(tokens.unflatten(-1, (self.num_tokens, -1)))

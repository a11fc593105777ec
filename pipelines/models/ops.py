"""The transformer's element-wise work, one small function each: float32 inside, the input's dtype outside.

Knows nothing of blocks or models. Tokens are [B, F * S, D]; per-frame rows are [F, D], or [1, D] for all frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def layer_norm_modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Layer norm without weights, times (1 + scale) plus shift, the rows broadcast over a frame's tokens."""
    normed = F.layer_norm(x.float(), (x.shape[-1],), eps=eps)
    frames = normed.unflatten(1, (scale.shape[0], -1))  # [B, F, S, D]
    out = torch.addcmul(shift.float()[:, None], frames, 1 + scale.float()[:, None])
    return out.flatten(1, 2).to(x.dtype)


def layer_norm_affine(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Layer norm with weights, computed in float32 whatever the dtypes are."""
    return F.layer_norm(x.float(), (x.shape[-1],), weight.float(), bias.float(), eps).to(x.dtype)


def gate_residual(x: Tensor, y: Tensor, gate: Tensor) -> Tensor:
    """Return x + y * gate with the gate's rows broadcast over a frame's tokens."""
    frames = y.float().unflatten(1, (gate.shape[0], -1))  # [B, F, S, D]
    return (x.float() + (frames * gate.float()[:, None]).flatten(1, 2)).to(x.dtype)


def rms_norm_rope(
    x: Tensor,
    weight: Tensor,
    cos: Tensor | None,
    sin: Tensor | None,
    eps: float,
    num_heads: int,
) -> Tensor:
    """RMS norm over the whole width, then rotate each head's neighbouring pairs.

    x [B, L, D]; cos, sin float32 [L, D / heads / 2], or None for no rotation. Returns [B, L, heads, D / heads].
    """
    value = x.float()
    value = value * torch.rsqrt(value.square().mean(-1, keepdim=True) + eps) * weight.float()
    heads = value.unflatten(-1, (num_heads, -1))  # [B, L, H, D / H]
    if cos is not None and sin is not None:
        heads = rotate_pairs(heads, cos[:, None], sin[:, None])
    return heads.to(x.dtype)


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (2j, 2j + 1) of the last axis; cos and sin broadcast against [..., pairs]. Keeps x's dtype."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2).to(x.dtype)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU in its tanh form."""
    return F.gelu(x, approximate="tanh")

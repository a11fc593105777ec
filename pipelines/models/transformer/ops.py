"""The transformer's element-wise work, one small function each: float32 inside, the input's dtype outside.

Knows nothing of blocks or models. Tokens are [B, F * S, D]; per-frame rows are [F, D], or [1, D] for all frames.
What stands here in PyTorch is the reference; on CUDA the same functions run as fused Triton kernels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.models.transformer.fused import fused_kernels


def layer_norm_modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Layer norm without weights, times (1 + scale) plus shift, the rows broadcast over a frame's tokens."""
    if kernels := fused_kernels(x):
        return kernels.residual_norm(x, None, None, scale, shift, eps, modulate=True)[1]
    normed = F.layer_norm(x.float(), (x.shape[-1],), eps=eps)
    frames = normed.unflatten(1, (scale.shape[0], -1))  # [B, F, S, D]
    out = torch.addcmul(shift.float()[:, None], frames, 1 + scale.float()[:, None])
    return out.flatten(1, 2).to(x.dtype)


def layer_norm_affine(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Layer norm with weights, computed in float32 whatever the dtypes are."""
    if kernels := fused_kernels(x):
        return kernels.residual_norm(x, None, None, weight[None], bias[None], eps, modulate=False)[1]
    return F.layer_norm(x.float(), (x.shape[-1],), weight.float(), bias.float(), eps).to(x.dtype)


def gate_residual(x: Tensor, y: Tensor, gate: Tensor) -> Tensor:
    """Return x + y * gate with the gate's rows broadcast over a frame's tokens."""
    if kernels := fused_kernels(x):
        return kernels.residual_norm(x, y, gate, None, None, 0.0, modulate=False)[0]
    frames = y.float().unflatten(1, (gate.shape[0], -1))  # [B, F, S, D]
    return (x.float() + (frames * gate.float()[:, None]).flatten(1, 2)).to(x.dtype)


def residual_norm_modulate(x: Tensor, y: Tensor, scale: Tensor, shift: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return x + y and the modulated layer norm of that sum; reads and writes the tokens once."""
    if kernels := fused_kernels(x):
        return kernels.residual_norm(x, y, None, scale, shift, eps, modulate=True)
    x = x + y
    return x, layer_norm_modulate(x, scale, shift, eps)


def gate_norm_modulate(
    x: Tensor, y: Tensor, gate: Tensor, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return x + y * gate and the modulated layer norm of that sum; gate, scale and shift have equally many rows."""
    if kernels := fused_kernels(x):
        return kernels.residual_norm(x, y, gate, scale, shift, eps, modulate=True)
    x = gate_residual(x, y, gate)
    return x, layer_norm_modulate(x, scale, shift, eps)


def residual_norm_affine(
    x: Tensor, y: Tensor, gate: Tensor | None, weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Return x + y * gate (x + y without a gate) and the affine layer norm of that sum."""
    if kernels := fused_kernels(x):
        if gate is None or gate.shape[0] == 1:
            return kernels.residual_norm(x, y, gate, weight[None], bias[None], eps, modulate=False)
        rows = gate.shape[0]
        weight, bias = weight.expand(rows, -1), bias.expand(rows, -1)
        return kernels.residual_norm(x, y, gate, weight, bias, eps, modulate=False)
    x = x + y if gate is None else gate_residual(x, y, gate)
    return x, layer_norm_affine(x, weight, bias, eps)


def rms_norm_rope(
    x: Tensor,
    weight: Tensor,
    cos: Tensor | None,
    sin: Tensor | None,
    eps: float,
    num_heads: int,
    parts: int = 1,
) -> Tensor:
    """RMS norm over the whole width, then rotate each head's neighbouring pairs.

    x [B, L, D]; cos, sin float32 [L, D / heads / 2], or None for no rotation. Returns [B, L, heads, D / heads]; with
    several `parts` of equally many heads, one after the other in memory, [parts, L, heads / parts, D / heads] of B = 1.
    """
    if kernels := fused_kernels(x):
        rope = None if cos is None or sin is None else (cos, sin)
        return kernels.fused_rms_norm_rope(x, weight, rope, eps, num_heads, parts)
    value = x.float()
    value = value * torch.rsqrt(value.square().mean(-1, keepdim=True) + eps) * weight.float()
    heads = value.unflatten(-1, (num_heads, -1))  # [B, L, H, D / H]
    if cos is not None and sin is not None:
        heads = rotate_pairs(heads, cos[:, None], sin[:, None])
    heads = heads.to(x.dtype)
    return heads if parts == 1 else split_heads(heads, parts)


def split_heads(x: Tensor, parts: int) -> Tensor:
    """[1, L, H, D] -> [parts, L, H / parts, D], each part's memory dense."""
    return x[0].unflatten(1, (parts, -1)).transpose(0, 1).contiguous()


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (2j, 2j + 1) of the last axis; cos and sin broadcast against [..., pairs]. Keeps x's dtype."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2).to(x.dtype)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU in its tanh form."""
    return F.gelu(x, approximate="tanh")


def linear_gelu(linear: nn.Module, x: Tensor) -> Tensor:
    """tanh GELU of a linear layer; the matrix product applies it before storing where it can."""
    # A wrapped layer (LoRA, fp8) computes something else than its weight alone: it must be called.
    if type(linear) is nn.Linear and x.is_cuda and x.dtype == torch.bfloat16 and linear.bias is not None:
        flat = torch._addmm_activation(linear.bias, x.flatten(0, -2), linear.weight.t(), use_gelu=True)
        return flat.unflatten(0, x.shape[:-1])
    return gelu_tanh(linear(x))

"""Triton kernels that round activations to float8 e4m3 with one scale a token; used by the fast mode alone."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

LARGEST = tl.constexpr(448.0)


@triton.jit
def _quantize_kernel(
    x_ptr,
    codes_ptr,
    scale_ptr,
    width,
    GELU: tl.constexpr,
    BLOCK: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    x = tl.load(x_ptr + token * width + columns, mask=inside, other=0.0).to(tl.float32)
    if GELU:
        # tanh(u) = 2 sigmoid(2u) - 1, so 0.5 (1 + tanh(u)) is sigmoid(2u).
        u = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        x = x * tl.sigmoid(2.0 * u)
    scale = tl.maximum(tl.max(tl.abs(x), axis=0) / LARGEST, 1.2e-7)
    codes = (x / scale).to(codes_ptr.dtype.element_ty)
    tl.store(codes_ptr + token * width + columns, codes, mask=inside)
    tl.store(scale_ptr + token, scale)


def quantize_tokens(x: torch.Tensor, *, gelu: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float8 codes [M, D] and float32 scales [M, 1] of x [..., D], after a tanh GELU when asked."""
    x = x.contiguous()
    width = x.shape[-1]
    rows = x.numel() // width
    codes = torch.empty((rows, width), dtype=torch.float8_e4m3fn, device=x.device)
    scale = torch.empty((rows, 1), dtype=torch.float32, device=x.device)
    _quantize_kernel[(rows,)](x, codes, scale, width, GELU=gelu, BLOCK=triton.next_power_of_2(width), num_warps=8)
    return codes, scale

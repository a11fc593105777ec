"""Triton kernels that round activations to float8 e4m3, a GELU before it; used by the fast mode alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


@triton.jit
def _quantize_groups_kernel(
    x_ptr,
    codes_ptr,
    scale_ptr,
    width,
    num_rows,
    GELU: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    groups = tl.arange(0, GROUPS)
    columns = groups[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    inside = columns < width
    x = tl.load(x_ptr + token * width + columns, mask=inside, other=0.0).to(tl.float32)
    if GELU:
        u = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        x = x * tl.sigmoid(2.0 * u)
    scale = tl.maximum(tl.max(tl.abs(x), axis=1) / LARGEST, 1.2e-7)
    codes = (x / scale[:, None]).to(codes_ptr.dtype.element_ty)
    tl.store(codes_ptr + token * width + columns, codes, mask=inside)
    # The scales of one group of columns lie side by side.
    tl.store(scale_ptr + groups * num_rows + token, scale, mask=groups * GROUP < width)


def quantize_groups(x: torch.Tensor, *, gelu: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes [M, D] and a scale for each 128 columns, float32 [M, D / 128] with columns dense in memory."""
    x = x.contiguous()
    width = x.shape[-1]
    rows = x.numel() // width
    codes = torch.empty((rows, width), dtype=torch.float8_e4m3fn, device=x.device)
    scale = torch.empty((width // 128, rows), dtype=torch.float32, device=x.device)
    groups = triton.next_power_of_2(width // 128)
    _quantize_groups_kernel[(rows,)](x, codes, scale, width, rows, GELU=gelu, GROUPS=groups, GROUP=128, num_warps=8)
    return codes, scale.t()


@triton.jit
def _quantize_whole_kernel(x_ptr, codes_ptr, scale_ptr, size, GELU: tl.constexpr, BLOCK: tl.constexpr):
    places = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = places < size
    x = tl.load(x_ptr + places, mask=inside, other=0.0).to(tl.float32)
    if GELU:
        u = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        x = x * tl.sigmoid(2.0 * u)
    x = x / tl.load(scale_ptr)
    x = tl.minimum(tl.maximum(x, -LARGEST), LARGEST)
    tl.store(codes_ptr + places, x.to(codes_ptr.dtype.element_ty), mask=inside)


def quantize_whole(x: torch.Tensor, *, gelu: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes [M, D] and the one scale of all of x; nothing is written between the two passes over it."""
    x = x.contiguous()
    least, most = torch.aminmax(x)
    # GELU rises where it is above zero and never falls below -0.1701.
    largest = (
        torch.maximum(F.gelu(most.float(), approximate="tanh"), most.new_tensor(0.1701).float())
        if gelu
        else (torch.maximum(most, -least).float())
    )
    scale = (largest / 448.0).clamp(min=2.0**-23)
    codes = torch.empty((x.numel() // x.shape[-1], x.shape[-1]), dtype=torch.float8_e4m3fn, device=x.device)
    block = 4096
    _quantize_whole_kernel[(triton.cdiv(x.numel(), block),)](x, codes, scale, x.numel(), GELU=gelu, BLOCK=block)
    return codes, scale

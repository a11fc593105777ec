"""Fused element-wise Triton kernels for CUDA; `ops.py` holds the PyTorch reference of each and picks one.

Every kernel handles one token a program, keeps its arithmetic in float32 and rounds once on storing. Only
float32 is used on the device and a program needs a few hundred bytes of shared memory, so the kernels suit
sm_90 and sm_121 alike.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _residual_norm_kernel(
    x_ptr,
    y_ptr,
    gate_ptr,
    scale_ptr,
    shift_ptr,
    sum_ptr,
    out_ptr,
    width,
    tokens_per_row,
    eps,
    HAS_RESIDUAL: tl.constexpr,
    HAS_GATE: tl.constexpr,
    HAS_NORM: tl.constexpr,
    MODULATE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    row = token // tokens_per_row
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    x = tl.load(x_ptr + token * width + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        y = tl.load(y_ptr + token * width + columns, mask=inside, other=0.0).to(tl.float32)
        if HAS_GATE:
            y *= tl.load(gate_ptr + row * width + columns, mask=inside, other=0.0).to(tl.float32)
        # The stored sum is what the next block reads, so the norm must see the same rounded values.
        rounded = (x + y).to(sum_ptr.dtype.element_ty)
        tl.store(sum_ptr + token * width + columns, rounded, mask=inside)
        x = rounded.to(tl.float32)
    if HAS_NORM:
        mean = tl.sum(x, axis=0) / width
        centred = tl.where(inside, x - mean, 0.0)
        variance = tl.sum(centred * centred, axis=0) / width
        normed = centred * tl.rsqrt(variance + eps)
        scale = tl.load(scale_ptr + row * width + columns, mask=inside, other=0.0).to(tl.float32)
        shift = tl.load(shift_ptr + row * width + columns, mask=inside, other=0.0).to(tl.float32)
        if MODULATE:
            scale += 1.0
        out = normed * scale + shift
        tl.store(out_ptr + token * width + columns, out.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _rms_rope_kernel(
    x_ptr,
    weight_ptr,
    cos_ptr,
    sin_ptr,
    out_ptr,
    width,
    x_stride,
    num_tokens,
    head_pairs,
    part_width,
    eps,
    HAS_ROPE: tl.constexpr,
    HAS_PARTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    x = tl.load(x_ptr + token * x_stride + columns, mask=inside, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(x * x, axis=0) / width + eps)
    x = x * inverse * tl.load(weight_ptr + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_ROPE:
        pairs = tl.arange(0, BLOCK // 2)
        angle = (token % num_tokens) * head_pairs + pairs % head_pairs
        cos = tl.load(cos_ptr + angle)
        sin = tl.load(sin_ptr + angle)
        even, odd = tl.split(tl.reshape(x, (BLOCK // 2, 2)))
        x = tl.reshape(tl.join(even * cos - odd * sin, even * sin + odd * cos), (BLOCK,))
    if HAS_PARTS:
        # Every part of the columns is an array of its own, [num_tokens, part_width].
        part = (columns // part_width).to(tl.int64)
        place = (part * num_tokens + token) * part_width + columns % part_width
        tl.store(out_ptr + place, x.to(out_ptr.dtype.element_ty), mask=inside)
    else:
        tl.store(out_ptr + token * width + columns, x.to(out_ptr.dtype.element_ty), mask=inside)


def residual_norm(
    x: torch.Tensor,
    y: torch.Tensor | None,
    gate: torch.Tensor | None,
    scale: torch.Tensor | None,
    shift: torch.Tensor | None,
    eps: float,
    *,
    modulate: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (x + y * gate, layer norm of that sum times scale plus shift).

    x and y are [B, L, D], or of any leading shape with single rows. gate, scale and shift are [F, D] with L a
    multiple of F: token i of a sequence belongs to row i // (L / F); with more than one row B must be 1.
    `modulate` adds 1 to scale. Without y the first result is x; without scale the second is the sum.
    """
    width = x.shape[-1]
    x = x.contiguous()
    rows = next((t.shape[0] for t in (gate, scale) if t is not None), 1)
    total = x.numel() // width
    summed = torch.empty_like(x) if y is not None else x
    out = torch.empty_like(x) if scale is not None else summed
    _residual_norm_kernel[(total,)](
        x,
        y.contiguous() if y is not None else x,
        gate.contiguous() if gate is not None else x,
        scale.contiguous() if scale is not None else x,
        shift.contiguous() if shift is not None else x,
        summed,
        out,
        width,
        total // rows,
        eps,
        HAS_RESIDUAL=y is not None,
        HAS_GATE=gate is not None,
        HAS_NORM=scale is not None,
        MODULATE=modulate,
        BLOCK=triton.next_power_of_2(width),
        num_warps=_num_warps(width),
    )
    return summed, out


def fused_rms_norm_rope(
    x: torch.Tensor,
    weight: torch.Tensor,
    rope: tuple[torch.Tensor, torch.Tensor] | None,
    eps: float,
    num_heads: int,
    parts: int = 1,
) -> torch.Tensor:
    """RMS-normalise rows of x [B, L, D] over D, rotate neighbour pairs of every head, return [B, L, H, D/H].

    With several `parts` B must be 1 and the result is [parts, L, H/parts, D/H]. x may be a slice of a wider tensor
    as long as its last dimension is dense and B and L collapse to one stride. `rope` is (cos, sin), each float32
    [L, D/H/2], or None for no rotation.
    """
    batch, length, width = x.shape
    if x.stride(-1) != 1 or (batch > 1 and x.stride(0) != length * x.stride(1)):
        x = x.contiguous()
    if batch > 1 and parts > 1:
        raise ValueError("a batch is not stored in parts")
    shape = (batch * parts, length, num_heads // parts, width // num_heads)
    out = torch.empty(shape, dtype=x.dtype, device=x.device)
    cos, sin = rope if rope is not None else (weight, weight)
    _rms_rope_kernel[(batch * length,)](
        x,
        weight,
        cos,
        sin,
        out,
        width,
        x.stride(1),
        length,
        width // num_heads // 2,
        width // parts,
        eps,
        HAS_ROPE=rope is not None,
        HAS_PARTS=parts > 1,
        BLOCK=triton.next_power_of_2(width),
        num_warps=_num_warps(width),
    )
    return out


def _num_warps(width: int) -> int:
    return 8 if width > 2048 else 4


@triton.jit
def _sum_rms_silu_kernel(
    total_ptr,
    addend_ptr,
    bias_ptr,
    sum_ptr,
    gamma_ptr,
    out_ptr,
    num_rows,
    width,
    out_width,
    root_width,
    frame_rows,
    frame_gap,
    HAS_TOTAL: tl.constexpr,
    HAS_ADDEND: tl.constexpr,
    HAS_SUM: tl.constexpr,
    HAS_NORM: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    inside = (rows < num_rows)[:, None] & (columns < width)[None, :]
    offsets = rows[:, None] * width + columns[None, :]
    x = tl.zeros((ROWS, BLOCK), tl.float32)
    if HAS_TOTAL:
        x += tl.load(total_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    if HAS_ADDEND:
        x += tl.load(addend_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        x += tl.load(bias_ptr + columns, mask=columns < width, other=0.0).to(tl.float32)[None, :]
    if HAS_SUM:
        tl.store(sum_ptr + offsets, x.to(sum_ptr.dtype.element_ty), mask=inside)
    if HAS_NORM:
        norm = tl.maximum(tl.sqrt(tl.sum(x * x, axis=1)), 1e-12)
        gamma = tl.load(gamma_ptr + columns, mask=columns < width, other=0.0)
        x = x / norm[:, None] * (gamma * root_width)[None, :]
        x = x * tl.sigmoid(x)
    places = rows[:, None] * out_width + columns[None, :] + (rows // frame_rows * frame_gap)[:, None]
    # Columns beyond `width` are zeros.
    room = (rows < num_rows)[:, None] & (columns < out_width)[None, :]
    tl.store(out_ptr + places, x.to(out_ptr.dtype.element_ty), mask=room)


def sum_rms_silu(
    total: torch.Tensor | None,
    addend: torch.Tensor | None,
    bias: torch.Tensor | None,
    gamma: torch.Tensor | None,
    out: torch.Tensor,
    summed: torch.Tensor | None,
) -> None:
    """Write silu(s / |s| * sqrt(C) * gamma) of the rows of s = total + addend + bias to `out`, and s to `summed`.

    total and addend are dense [T, ..., C], and one of them may be missing; the bias is the addend's. Without gamma
    `out` gets s. `out` is dense within a frame and may have more channels, which become 0.
    """
    given = total if total is not None else addend
    assert given is not None
    width, out_width = given.shape[-1], out.shape[-1]
    num_rows = given.numel() // width
    frame_rows = num_rows // given.shape[0]
    block = triton.next_power_of_2(out_width)
    rows = max(1, 2048 // block)
    _sum_rms_silu_kernel[(triton.cdiv(num_rows, rows),)](
        total if total is not None else given,
        addend if addend is not None else given,
        bias if bias is not None else given,
        summed if summed is not None else given,
        gamma if gamma is not None else given,
        out,
        num_rows,
        width,
        out_width,
        width**0.5,
        frame_rows,
        out.stride(0) - frame_rows * out_width,
        HAS_TOTAL=total is not None,
        HAS_ADDEND=addend is not None,
        HAS_SUM=summed is not None,
        HAS_NORM=gamma is not None,
        ROWS=rows,
        BLOCK=block,
        num_warps=4,
    )


@triton.jit
def _double_pixels_kernel(
    total_ptr,
    addend_ptr,
    bias_ptr,
    out_ptr,
    num_rows,
    high,
    wide,
    width,
    frame_stride,
    line_stride,
    PARTS: tl.constexpr,
    HAS_TOTAL: tl.constexpr,
    HAS_ADDEND: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    inside = (rows < num_rows)[:, None] & (columns < width)[None, :]
    offsets = rows[:, None] * width + columns[None, :]
    part, pixel = rows % PARTS, rows // PARTS
    x = tl.zeros((ROWS, BLOCK), tl.float32)
    if HAS_TOTAL:
        x += tl.load(total_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
    if HAS_ADDEND:
        x += tl.load(addend_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        places = part[:, None] * width + columns[None, :]
        x += tl.load(bias_ptr + places, mask=inside, other=0.0).to(tl.float32)
    x = x.to(out_ptr.dtype.element_ty)
    column, line, frame = pixel % wide, pixel // wide % high, pixel // wide // high
    corner = (frame * PARTS + part) * frame_stride + 2 * line * line_stride + 2 * column * width
    places = corner[:, None] + columns[None, :]
    tl.store(out_ptr + places, x, mask=inside)
    tl.store(out_ptr + places + width, x, mask=inside)
    tl.store(out_ptr + places + line_stride, x, mask=inside)
    tl.store(out_ptr + places + line_stride + width, x, mask=inside)


def double_pixels(
    total: torch.Tensor | None,
    addend: torch.Tensor | None,
    bias: torch.Tensor | None,
    out: torch.Tensor,
    parts: int,
) -> None:
    """Write every pixel of total + addend + bias twice in both directions to `out` [parts T, 2H, 2W, C].

    total and addend are dense [T, H, W, parts C], and one of them may be missing; the bias is the addend's. Each part
    of their channels is a frame of its own. `out` is dense within a line.
    """
    given = total if total is not None else addend
    assert given is not None
    width = out.shape[-1]
    num_rows = given.numel() // width
    block = triton.next_power_of_2(width)
    rows = max(1, 2048 // block)
    _double_pixels_kernel[(triton.cdiv(num_rows, rows),)](
        total if total is not None else given,
        addend if addend is not None else given,
        bias if bias is not None else given,
        out,
        num_rows,
        given.shape[1],
        given.shape[2],
        width,
        out.stride(0),
        out.stride(1),
        PARTS=parts,
        HAS_TOTAL=total is not None,
        HAS_ADDEND=addend is not None,
        ROWS=rows,
        BLOCK=block,
        num_warps=4,
    )

"""Linear layers whose product runs in float8 on the tensor cores: faster than bfloat16, approximate, opt-in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.loading.float8 import LARGEST_CODE, quantize_rows
from pipelines.models.transformer.fused import fused_kernels

EXACT_PARTS = ("attn2", "audio_cross_attn", "condition_embedder", "audio_proj", "proj_out", "patch_embedding")
"""Parts that keep bfloat16 products: short or sensitive."""


Scales = Literal["row", "block", "tensor"]
"""One scale a token and a weight row; one for each 128 numbers of a token and 128 x 128 of a weight; one a matrix."""

SCALES: tuple[Scales, ...] = ("row", "block", "tensor")
"""In the order in which they are tried: the first loses least."""
BLOCK = 128
SMALLEST = 2.0**-23


class ScaledLinear(nn.Module):
    """A linear layer with float8 weights and activations rounded on the fly."""

    codes: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, scales: Scales) -> None:
        super().__init__()
        self.scales = scales
        weight = linear.weight.detach().float()
        if scales == "row":
            codes, scale = quantize_rows(weight)
            scale = scale.reshape(1, -1)
        elif scales == "block":
            codes, scale = quantize_blocks(weight)
        else:
            scale = (weight.abs().amax() / LARGEST_CODE).clamp(min=SMALLEST)
            codes = to_codes(weight / scale)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] with the weight."""
        return self.multiply(*self.quantize(x)).unflatten(0, x.shape[:-1])

    def quantize(self, x: Tensor, *, gelu: bool = False) -> tuple[Tensor, Tensor]:
        """Round x [..., in] to codes [M, in] and scales, after a tanh GELU when asked."""
        if fused_kernels(x):
            from pipelines.models.lean import kernels  # needs Triton at import

            if self.scales == "row":
                return kernels.quantize_tokens(x, gelu=gelu)
            if self.scales == "block":
                return kernels.quantize_groups(x, gelu=gelu)
            return kernels.quantize_whole(x, gelu=gelu)
        flat = (F.gelu(x, approximate="tanh") if gelu else x).flatten(0, -2).float()
        if self.scales == "block":
            groups = flat.unflatten(1, (-1, BLOCK))
            largest = groups.abs().amax(dim=2)
            scale = (largest / LARGEST_CODE).clamp(min=SMALLEST)
            # The product wants the scales of one group of columns side by side.
            return to_codes(groups / scale[..., None]).flatten(1), scale.t().contiguous().t()
        largest = flat.abs().amax(dim=1, keepdim=True) if self.scales == "row" else flat.abs().amax()
        scale = (largest / LARGEST_CODE).clamp(min=SMALLEST)
        return to_codes(flat / scale), scale

    def multiply(self, codes: Tensor, scale: Tensor) -> Tensor:
        """Product of codes [M, in] and the weight in bfloat16 [M, out]."""
        out = torch._scaled_mm(
            codes,
            self.codes.t(),
            scale_a=scale,
            scale_b=self.scale.t() if self.scales == "block" else self.scale,
            bias=None if self.scales == "block" else self.bias,
            out_dtype=torch.bfloat16,
            # With a scale a block the product keeps its sums in float32 between blocks.
            use_fast_accum=self.scales != "block",
        )
        return out.add_(self.bias) if self.scales == "block" and self.bias is not None else out


def to_codes(x: Tensor) -> Tensor:
    """The nearest float8 numbers."""
    return x.clamp(-LARGEST_CODE, LARGEST_CODE).to(torch.float8_e4m3fn)


def quantize_blocks(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of a weight [out, in] and a scale for each 128 x 128 of it [out / 128, in / 128], both multiples of 128."""
    blocks = weight.unflatten(1, (-1, BLOCK)).unflatten(0, (-1, BLOCK))  # [out / 128, 128, in / 128, 128]
    scale = (blocks.abs().amax(dim=(1, 3)) / LARGEST_CODE).clamp(min=SMALLEST)
    return to_codes(blocks / scale[:, None, :, None]).flatten(2).flatten(0, 1), scale.contiguous()


def linears(layers: tuple[nn.Module, ...], x: Tensor) -> Iterator[Tensor]:
    """Apply several linear layers to the same tokens one by one, rounding them once when all layers are scaled."""
    scaled = [layer for layer in layers if isinstance(layer, ScaledLinear)]
    if len(scaled) < len(layers):
        yield from (layer(x) for layer in layers)
        return
    codes, scale = scaled[0].quantize(x)
    yield from (layer.multiply(codes, scale).unflatten(0, x.shape[:-1]) for layer in scaled)


def use_scaled_linears(transformer: nn.Module, only: str = "", scales: Scales | None = None) -> Scales:
    """Replace the blocks' large linear layers in place, but not in the first and the last block.

    only: replace just the layers whose name in the block begins so ('attn1', 'ffn'), to measure one class.
    scales: how numbers share scales; found by trying where left out. Returns what was taken.
    """
    chosen = scales or best_scales(next(transformer.parameters()).device)
    for block in list(transformer.get_submodule("blocks").children())[1:-1]:
        for name, layer in list(block.named_modules()):
            if type(layer) is nn.Linear and name.startswith(only) and not name.startswith(EXACT_PARTS):
                parent, _, leaf = name.rpartition(".")
                setattr(block.get_submodule(parent), leaf, ScaledLinear(layer, chosen))
    return chosen


@cache
def best_scales(device: torch.device) -> Scales:
    """The finest scales that this GPU's float8 product takes; found by trying a small one of each kind."""
    return next((scales for scales in SCALES if _multiplies(device, scales)), "tensor")


def _multiplies(device: torch.device, scales: Scales) -> bool:
    linear = nn.Linear(4 * BLOCK, BLOCK, bias=False, device=device)
    with torch.inference_mode():
        x = torch.randn(BLOCK, 4 * BLOCK, device=device, dtype=torch.bfloat16)
        try:
            near = ScaledLinear(linear, scales)(x)
            # A product that takes the scales and reads them otherwise is none.
            exact = F.linear(x.float(), linear.weight)
            return bool((near.float() - exact).norm() < 0.1 * exact.norm())
        except RuntimeError:
            return False

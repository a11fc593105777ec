"""Linear layers whose product runs in float8 on the tensor cores: faster than bfloat16, approximate, opt-in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.loading.float8 import LARGEST_CODE, quantize_rows
from pipelines.models.transformer.fused import fused_kernels

EXACT_PARTS = ("attn2", "audio_cross_attn", "condition_embedder", "audio_proj", "proj_out", "patch_embedding")
"""Parts that keep bfloat16 products: short or sensitive."""


class ScaledLinear(nn.Module):
    """A linear layer with float8 weights and activations rounded on the fly.

    Scales are one a token and one a weight row where the GPU multiplies so, else one for each whole matrix.
    """

    codes: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, *, row_wise: bool) -> None:
        super().__init__()
        self.row_wise = row_wise
        weight = linear.weight.detach().float()
        if row_wise:
            codes, scale = quantize_rows(weight)
        else:
            scale = (weight.abs().amax() / LARGEST_CODE).clamp(min=2.0**-23)
            codes = (weight / scale).clamp(-LARGEST_CODE, LARGEST_CODE).to(torch.float8_e4m3fn)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale.reshape(1, -1) if row_wise else scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] with the weight."""
        return self.multiply(*self.quantize(x)).unflatten(0, x.shape[:-1])

    def quantize(self, x: Tensor, *, gelu: bool = False) -> tuple[Tensor, Tensor]:
        """Round x [..., in] to codes [M, in] and scales, after a tanh GELU when asked."""
        if self.row_wise and fused_kernels(x):
            from pipelines.models.lean.kernels import quantize_tokens  # needs Triton at import

            return quantize_tokens(x, gelu=gelu)
        flat = (F.gelu(x, approximate="tanh") if gelu else x).flatten(0, -2).float()
        largest = flat.abs().amax(dim=1, keepdim=True) if self.row_wise else flat.abs().amax()
        scale = (largest / LARGEST_CODE).clamp(min=2.0**-23)
        return (flat / scale).clamp(-LARGEST_CODE, LARGEST_CODE).to(torch.float8_e4m3fn), scale

    def multiply(self, codes: Tensor, scale: Tensor) -> Tensor:
        """Product of codes [M, in] and the weight in bfloat16 [M, out]."""
        return torch._scaled_mm(
            codes,
            self.codes.t(),
            scale_a=scale,
            scale_b=self.scale,
            bias=self.bias,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )


def linears(layers: tuple[nn.Module, ...], x: Tensor) -> Iterator[Tensor]:
    """Apply several linear layers to the same tokens one by one, rounding them once when all layers are scaled."""
    scaled = [layer for layer in layers if isinstance(layer, ScaledLinear)]
    if len(scaled) < len(layers):
        yield from (layer(x) for layer in layers)
        return
    codes, scale = scaled[0].quantize(x)
    yield from (layer.multiply(codes, scale).unflatten(0, x.shape[:-1]) for layer in scaled)


def use_scaled_linears(transformer: nn.Module, only: str = "") -> None:
    """Replace the blocks' large linear layers in place, but not in the first and the last block.

    only: replace just the layers whose name in the block begins so ('attn1', 'ffn'), to measure one class.
    """
    row_wise = multiplies_row_wise(next(transformer.parameters()).device)
    for block in list(transformer.get_submodule("blocks").children())[1:-1]:
        for name, layer in list(block.named_modules()):
            if type(layer) is nn.Linear and name.startswith(only) and not name.startswith(EXACT_PARTS):
                parent, _, leaf = name.rpartition(".")
                setattr(block.get_submodule(parent), leaf, ScaledLinear(layer, row_wise=row_wise))


@cache
def multiplies_row_wise(device: torch.device) -> bool:
    """Whether this GPU's float8 product takes one scale a row; found by trying a small one."""
    codes = torch.zeros(16, 16, device=device).to(torch.float8_e4m3fn)
    ones = torch.ones(16, 1, device=device)
    try:
        torch._scaled_mm(codes, codes.t(), scale_a=ones, scale_b=ones.t(), out_dtype=torch.bfloat16)
    except RuntimeError:
        return False
    return True

"""Linear layers with 8-bit weights: half the memory of bfloat16, approximate; products stay in the input's dtype."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST_CODE = 448.0
"""The largest finite number of float8 e4m3fn."""

SMALLEST_SCALE = 2.0**-23


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return float8 codes [out, in] and the scale of every row [out], computed in the weight's dtype."""
    scale = (weight.abs().amax(dim=1) / LARGEST_CODE).clamp(min=SMALLEST_SCALE)
    codes = (weight * scale.reciprocal()[:, None]).clamp(-LARGEST_CODE, LARGEST_CODE)
    return codes.to(torch.float8_e4m3fn), scale


def dequantize_rows(codes: Tensor, scale: Tensor) -> Tensor:
    """Return codes times scale in the scale's dtype."""
    return codes.to(scale.dtype) * scale[:, None]


class Float8Linear(nn.Module):
    """Stands in for a linear layer whose weight is stored as float8 codes and one scale a row."""

    codes: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        if weight.is_meta:
            # A loader brings the numbers; arithmetic on meta would import seconds of torch's own tracing.
            codes, scale = torch.empty_like(weight, dtype=torch.float8_e4m3fn), weight.new_empty(len(weight))
        else:
            codes, scale = quantize_rows(weight)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:
        """The weight that the codes stand for, made anew at every access."""
        return dequantize_rows(self.codes, self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] with the dequantised weight."""
        return F.linear(x, self.weight, self.bias)


def quantize_linears(network: nn.Module) -> None:
    """Replace every linear layer of `network` in place, one after the other, embedders and head included."""
    for parent, name, linear in list(_linears(network)):
        setattr(parent, name, Float8Linear(linear))


def _linears(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in network.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                yield parent, name, child

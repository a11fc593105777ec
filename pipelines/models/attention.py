"""The one entry to attention: exact softmax kernels only; knows nothing about who asks."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

KERNELS: Mapping[str, SDPBackend] = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
"""In order of preference where nothing was measured. The math kernel is absent: it stores all scores, 50 GB
and more at video lengths."""

_order = list(KERNELS.values())


def prefer(kernel: str) -> None:
    """Try this kernel first from now on; the others stay as fallbacks for shapes it does not take."""
    first = KERNELS[kernel]
    _order[:] = [first, *(backend for backend in KERNELS.values() if backend is not first)]


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention, scale 1/sqrt(head size), no mask.

    q [B, L, H, D], k and v [B, M, H, D]; returns [B, L, H, D]. On CUDA a shape that no listed kernel takes raises
    RuntimeError instead of falling back to a kernel with quadratic memory.
    """
    query, key, value = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, H, L, D]
    if q.device.type != "cuda":
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    with sdpa_kernel(_order, set_priority=True):
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)

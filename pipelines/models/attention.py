"""The one entry to attention: exact softmax kernels only; knows nothing about who asks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

CUDA_BACKENDS = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
"""In order of preference. The math kernel is absent: it stores all scores, 50 GB and more at video lengths."""


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention, scale 1/sqrt(head size), no mask.

    q [B, L, H, D], k and v [B, M, H, D]; returns [B, L, H, D]. On CUDA a shape that no listed kernel takes raises
    RuntimeError instead of falling back to a kernel with quadratic memory.
    """
    query, key, value = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, H, L, D]
    if q.device.type != "cuda":
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    with sdpa_kernel(CUDA_BACKENDS, set_priority=True):
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)

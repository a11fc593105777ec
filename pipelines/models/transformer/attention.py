"""The one entry to attention: exact softmax kernels unless one in 8 bits is preferred; knows nothing of who asks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipelines.models.transformer import eight_bit

LIBRARY: Mapping[str, SDPBackend] = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
"""PyTorch's kernels in order of preference. The math kernel is absent: it stores all scores, 50 GB and more at
video lengths."""

KERNELS = ("cudnn", "flash", "efficient", "flash4")
"""'flash4' is FlashAttention 4, present when the `gpu` extra is installed; it takes half precision only."""

EIGHT_BIT_TOKENS = 4096
"""Attention of at least so many tokens to one another may be in 8 bits: what costs time, and never that to a prompt."""

_order = list(LIBRARY.values())
_use_flash4 = False
_eight_bit: eight_bit.Attention | None = None


def installed_kernels() -> tuple[str, ...]:
    """The kernels that this installation has; whether the GPU takes them only a call can tell."""
    has_flash4 = importlib.util.find_spec("flash_attn") is not None and (
        importlib.util.find_spec("flash_attn.cute") is not None
    )
    return KERNELS if has_flash4 else KERNELS[:-1]


def prefer(kernel: str) -> None:
    """Try this kernel first from now on; PyTorch's stay as fallbacks for shapes it does not take.

    One of `eight_bit` serves long self-attention alone, beside the exact kernel preferred before it.
    """
    global _use_flash4, _eight_bit
    if kernel in eight_bit.LIBRARIES:
        _eight_bit = eight_bit.eight_bit_kernel(kernel)
        return
    _eight_bit = None
    _use_flash4 = kernel == "flash4"
    if not _use_flash4:
        first = LIBRARY[kernel]
        _order[:] = [first, *(backend for backend in LIBRARY.values() if backend is not first)]


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention, scale 1/sqrt(head size), no mask.

    q [B, L, H, D], k and v [B, M, H, D]; returns [B, L, H, D]. On CUDA a shape that no listed kernel takes raises
    RuntimeError instead of falling back to a kernel with quadratic memory.
    """
    if _eight_bit is not None and q.shape[1] == k.shape[1] >= EIGHT_BIT_TOKENS:
        return _eight_bit(q, k, v)
    if _use_flash4 and q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return _flash4()(q, k, v)
    query, key, value = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, H, L, D]
    if not q.is_cuda:
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    with sdpa_kernel(_order, set_priority=True):
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)


def _flash4() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    # Imported late: it compiles for the GPU at hand and exists only with the gpu extra.
    from flash_attn.cute.interface import flash_attn_func

    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        result = flash_attn_func(q, k, v)
        out: Tensor = result[0] if isinstance(result, tuple) else result
        return out

    return call

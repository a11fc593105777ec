"""Which exact attention kernel is fastest on this machine: measured once, remembered on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.attention import sdpa_kernel

from pipelines.durable import write_whole
from pipelines.models import attention

SHORT, LONG = 8192, 32768
"""Tokens of the two shape classes; up to 16384 counts as short."""


def use_fastest(device: str, cache_dir: Path, num_tokens: int, head_dim: int = 128, num_heads: int = 40) -> str:
    """Make `attention` prefer the fastest kernel for about `num_tokens` tokens and return its name.

    The choice is kept in `cache_dir/attention.json` for each GPU, torch version and shape class. A CPU has
    one kernel, called 'cpu'.
    """
    if not device.startswith("cuda"):
        return "cpu"
    length = SHORT if num_tokens <= 2 * SHORT else LONG
    key = f"{torch.cuda.get_device_name()} · torch {torch.__version__} · {length} x {head_dim}"
    path = cache_dir / "attention.json"
    known = _read(path)
    kernel = known.get(key, "")
    if kernel not in attention.KERNELS:
        q = torch.randn(1, length, num_heads, head_dim, device=device, dtype=torch.bfloat16)
        kernel = fastest(lambda name: _seconds(name, q))
        write_whole(path, json.dumps({**known, key: kernel}, indent=1).encode())
    attention.prefer(kernel)
    return kernel


def fastest(seconds: Callable[[str], float | None]) -> str:
    """The kernel with the least seconds among those that ran; the first in the order of preference if none did."""
    times = {name: taken for name in attention.KERNELS if (taken := seconds(name)) is not None}
    return min(times, key=times.__getitem__) if times else next(iter(attention.KERNELS))


def _seconds(kernel: str, q: Tensor) -> float | None:
    """Best of three calls, or None where the kernel does not take the shape."""
    heads = q.transpose(1, 2)
    best: float | None = None
    try:
        with sdpa_kernel(attention.KERNELS[kernel]):
            for _ in range(4):
                torch.cuda.synchronize()
                start = time.perf_counter()
                torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)
                torch.cuda.synchronize()
                taken = time.perf_counter() - start
                best = taken if best is None else min(best, taken)
    except RuntimeError:
        return None
    return best


def _read(path: Path) -> dict[str, str]:
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}

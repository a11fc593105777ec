"""The kernels of a piece of work: how long each kind of them takes, and which attention is there to be taken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp

from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled

KINDS = (
    ("exchange", ("nccl",)),
    ("attention", ("flash", "fmha", "sdpa", "attention", "attn")),
    ("convolution", ("conv", "implicit", "wgrad", "dgrad", "fprop")),
    ("products", ("gemm", "nvjet", "cutlass", "xmma", "cublas", "splitk")),
)


def kind_of(kernel: str) -> str:
    """Which of the kinds a kernel is, by its name."""
    name = kernel.lower()
    return next((kind for kind, words in KINDS if any(word in name for word in words)), "element-wise")


def kernel_times(work: Callable[[], Any]) -> tuple[dict[str, float], float, float]:
    """Milliseconds of each kind of kernel, of the whole, and of exchanges beside which nothing else ran."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    spans = [
        (event.time_range.start, event.time_range.end, event.name)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
        and event.time_range.end > event.time_range.start
        and not event.name.startswith("nccl:")
    ]
    kinds: dict[str, float] = {}
    for start, end, name in spans:
        kinds[kind_of(name)] = kinds.get(kind_of(name), 0.0) + (end - start) / 1000
    computing = union([(a, b) for a, b, name in spans if kind_of(name) != "exchange"])
    everything = union([(a, b) for a, b, _ in spans])
    first, last = min(a for a, _, _ in spans), max(b for _, b, _ in spans)
    kinds["idle"] = (last - first - everything) / 1000
    return kinds, (last - first) / 1000, (everything - computing) / 1000


def union(spans: list[tuple[float, float]]) -> float:
    """Length of what the spans cover."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def choose_kernel(dry_run: bool, cache: Path) -> str:
    """FlashAttention 4 where it runs on this GPU, else cuDNN."""
    if dry_run or "flash4" not in attention.installed_kernels():
        return "cudnn"
    context = mp.get_context("spawn")
    tried = context.Process(target=try_flash4, args=(str(cache),))
    tried.start()
    tried.join(150)
    if tried.exitcode is None:
        tried.kill()
    return "flash4" if tried.exitcode == 0 else "cudnn"


def try_flash4(cache: str) -> None:
    """End with 1 where its result is not cuDNN's."""
    keep_compiled(Path(cache))
    attention.prefer("flash4")
    with torch.inference_mode():
        q = torch.randn(1, 8192, 10, 128, device="cuda", dtype=torch.bfloat16)
        out = attention.attention(q, q, q)
        attention.prefer("cudnn")
        expected = attention.attention(q, q, q)
    if not (out.float() - expected.float()).norm() < 0.02 * expected.float().norm():
        sys.exit(1)

"""Which attention kernel is fastest on this machine: measured once, remembered on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.models.transformer import attention, eight_bit

SHORT, LONG = 8192, 32768
"""Tokens of the two shape classes; up to 16384 counts as short."""

PROBE_LIMIT_S = 300
"""A kernel that takes longer to compile and run four times is as good as absent."""
WAIT_S = 0.5

LARGEST_ERROR = 0.15
"""Relative L2 from an exact kernel, on normal numbers, up to which one in 8 bits is believed to work."""


def use_fastest(
    device: str,
    cache_dir: Path,
    num_tokens: int,
    head_dim: int = 128,
    num_heads: int = 40,
    *,
    may_round: bool = False,
    waiting: Callable[[], object] = lambda: None,
) -> str:
    """Make `attention` prefer the fastest kernel for about `num_tokens` tokens and return its name.

    With `may_round` a kernel in 8 bits is taken where one is installed, works and is faster still. The choices are
    kept in `cache_dir/attention.json` for each GPU, torch version, set of kernels and shape class. A CPU has one
    kernel, called 'cpu'. To measure takes up to some minutes: `waiting` is called twice a second meanwhile, and what it
    raises ends that.
    """
    if not device.startswith("cuda"):
        return "cpu"
    keep_compiled(cache_dir)
    length = SHORT if num_tokens <= 2 * SHORT else LONG
    machine = f"{torch.cuda.get_device_name()} · torch {torch.__version__}"
    shape = f"{length} x {num_heads} x {head_dim}"

    def choose(kernels: tuple[str, ...]) -> str:
        key = f"{machine} · {' '.join(kernels)} · {shape}"
        return measured_once(
            cache_dir / "attention.json", key, kernels, lambda name: _probe(name, length, num_heads, head_dim, waiting)
        )

    kernel = choose(attention.installed_kernels())
    attention.prefer(kernel)
    if may_round and (rough := eight_bit.installed_libraries()):
        kernel = choose((kernel, *rough))
        attention.prefer(kernel)
    return kernel


def measured_once(path: Path, key: str, kernels: tuple[str, ...], seconds: Callable[[str], float | None]) -> str:
    """The fastest of the kernels, measured unless the file knows it under this key."""
    known = _read(path)
    kernel = known.get(key, "")
    if kernel not in kernels:
        kernel = fastest(kernels, seconds)
        make_folder(path.parent)
        write_whole(path, json.dumps({**known, key: kernel}, indent=1).encode())
    return kernel


def keep_compiled(cache_dir: Path) -> None:
    """Let kernels compiled at run time survive a restart; only before they are first imported."""
    os.environ.setdefault("FLASH_ATTENTION_CUTE_DSL_CACHE_ENABLED", "1")
    os.environ.setdefault("FLASH_ATTENTION_CUTE_DSL_CACHE_DIR", str(cache_dir / "flash4"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(cache_dir / "triton"))


def fastest(kernels: tuple[str, ...], seconds: Callable[[str], float | None]) -> str:
    """The kernel with the least seconds among those that ran; the first if none did."""
    times = {name: taken for name in kernels if (taken := seconds(name)) is not None}
    return min(times, key=times.__getitem__) if times else kernels[0]


def _probe(kernel: str, length: int, num_heads: int, head_dim: int, waiting: Callable[[], object]) -> float | None:
    """Seconds of one call, or None where the kernel fails or one in 8 bits is too far from an exact one.

    In a process of its own: a kernel made for another GPU may end the process, not just the call.
    """
    words = [sys.executable, "-m", __name__, kernel, *map(str, (length, num_heads, head_dim))]
    ends_at = time.monotonic() + PROBE_LIMIT_S
    try:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
        )
    except OSError:
        return None
    with process:
        try:
            while time.monotonic() < ends_at:
                waiting()
                with suppress(subprocess.TimeoutExpired):
                    said, _ = process.communicate(timeout=WAIT_S)
                    return _seconds(said) if process.returncode == 0 else None
        finally:
            process.kill()
    return None


def _seconds(said: str) -> float | None:
    """What the process printed last; a kernel's library may print before it."""
    try:
        return float(said.split()[-1])
    except (ValueError, IndexError):
        return None


def _best_of_three(kernel: str, length: int, num_heads: int, head_dim: int) -> float:
    q, k, v = (torch.randn(1, length, num_heads, head_dim, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    times = []
    with torch.inference_mode():
        exact = attention.attention(q, k, v) if kernel in eight_bit.LIBRARIES else None
        attention.prefer(kernel)
        for _ in range(4):
            torch.cuda.synchronize()
            start = time.perf_counter()
            out = attention.attention(q, k, v)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        if exact is not None and not is_near(out, exact):
            sys.exit(f"{kernel} is too far from an exact kernel")
    return min(times[1:])


def is_near(out: Tensor, exact: Tensor) -> bool:
    """Whether a kernel in 8 bits gave about what an exact one gives."""
    error = (out.float() - exact.float()).norm() / exact.float().norm()
    return bool(error <= LARGEST_ERROR)


def _read(path: Path) -> dict[str, str]:
    try:
        stored = read_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


if __name__ == "__main__":
    name, *sizes = sys.argv[1:]
    sys.stdout.write(f"{_best_of_three(name, *map(int, sizes))}\n")

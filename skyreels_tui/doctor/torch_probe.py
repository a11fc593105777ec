"""Runs in its own process: imports torch, tries the GPU, and prints what it found as one JSON line.

A broken driver or a crashing kernel takes this process down and nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

LENGTH, HEADS, HEAD_SIZE = 2048, 8, 128
"""Small enough for any machine, long enough that kernels differ."""
ROUNDS = 5
APART_S = 90
"""For a kernel that is compiled when it is first called."""


def probe() -> dict[str, Any]:
    """Return the fields of TorchFacts."""
    import torch

    facts: dict[str, Any] = {
        "version": torch.__version__,
        "cuda": torch.version.cuda or "",
        "cuda_available": torch.cuda.is_available(),
        "supported": torch.cuda.get_arch_list() if torch.version.cuda else [],
        "cudnn": _cudnn_version(),
    }
    device = "cpu"
    if facts["cuda_available"]:
        device = "cuda"
        facts["device"] = torch.cuda.get_device_name(0)
        facts["capability"] = list(torch.cuda.get_device_capability(0))
    facts["triton"], facts["triton_error"] = _triton(device)
    facts["kernels"] = [[name, _milliseconds(name, device)] for name in _kernel_names(device)]
    return facts


def _cudnn_version() -> str:
    import torch

    cudnn: Any = torch.backends.cudnn
    number = cudnn.version() if cudnn.is_available() else None
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}" if number else ""


def _kernel_names(device: str) -> list[str]:
    from pipelines.models.transformer.attention import installed_kernels

    return list(installed_kernels()) if device == "cuda" else ["flash"]


def _milliseconds(name: str, device: str) -> float:
    """Best time of one attention kernel, or -1 when it does not take this device."""
    import torch
    from torch.nn.attention import sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    from pipelines.models.transformer.attention import LIBRARY

    if name not in LIBRARY:
        return _milliseconds_apart(name)
    length = LENGTH if device == "cuda" else LENGTH // 4
    shape = (1, HEADS, length, HEAD_SIZE)
    q, k, v = (torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(3))
    times = []
    try:
        with sdpa_kernel(LIBRARY[name]), torch.inference_mode():
            for _ in range(ROUNDS):
                began = time.perf_counter()
                scaled_dot_product_attention(q, k, v)
                if device == "cuda":
                    torch.cuda.synchronize()
                times.append(time.perf_counter() - began)
    except RuntimeError:
        return -1.0
    return round(min(times) * 1000, 3)


def _milliseconds_apart(name: str) -> float:
    """The same in a process of its own: a kernel from elsewhere, compiled for another GPU, may end its process."""
    words = [
        sys.executable,
        "-m",
        "pipelines.models.transformer.attention_choice",
        name,
        *map(str, (LENGTH, HEADS, HEAD_SIZE)),
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=APART_S, check=True)
        return round(float(done.stdout.split()[-1]) * 1000, 3)
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        return -1.0


def _triton(device: str) -> tuple[str, str]:
    """Return the version of Triton and why a first kernel does not compile, '' when it does."""
    try:
        import triton
    except ImportError as error:
        return "", str(error) if device == "cuda" else ""
    if device != "cuda":
        return str(triton.__version__), ""
    import torch

    try:
        total = torch.compile(lambda x: torch.nn.functional.gelu(x) * 2)(torch.ones(1024, device=device)).sum()
        torch.cuda.synchronize()
        return str(triton.__version__), "" if total.isfinite() else "a compiled kernel gave nonsense"
    except (RuntimeError, OSError) as error:
        return str(triton.__version__), str(error).splitlines()[-1][:300]


def main() -> None:
    """Print the facts, or why there are none."""
    try:
        facts = probe()
    except (ImportError, OSError, RuntimeError) as error:
        facts = {"error": f"{type(error).__name__}: {error}"[:500]}
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()

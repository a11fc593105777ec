"""Whether the Triton kernels serve a tensor: on CUDA where Triton is installed, never on a CPU."""

from __future__ import annotations

import importlib.util
from functools import cache
from types import ModuleType

from torch import Tensor


@cache
def _kernels() -> ModuleType | None:
    if importlib.util.find_spec("triton") is None:
        return None
    from pipelines.models.transformer import kernels  # needs Triton at import

    return kernels


def fused_kernels(x: Tensor) -> ModuleType | None:
    """Return the module of fused kernels when they can run on x's device, else None."""
    return _kernels() if x.is_cuda else None

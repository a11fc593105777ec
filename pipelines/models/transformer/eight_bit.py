"""Attention in 8 bits by libraries that a person installed: approximate, opt-in; knows nothing of who is faster."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pipelines.loading.float8 import LARGEST_CODE

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""q, k, v [B, L, H, D] -> [B, L, H, D], scale 1/sqrt(D), no mask."""

LIBRARIES = {"cudnn8": "cudnn", "flashinfer8": "flashinfer", "sage": "sageattention"}
"""Kernel -> the module that it needs: of nvidia-cudnn-frontend, flashinfer-python and sageattention."""

_SCORE_SCALE = 256.0
"""Weights of attention are at most 1; times this they use a float8's range."""


def installed_libraries() -> tuple[str, ...]:
    """The kernels whose library is there; whether the GPU takes them only a call can tell."""
    return tuple(kernel for kernel, module in LIBRARIES.items() if importlib.util.find_spec(module) is not None)


def eight_bit_kernel(kernel: str) -> Attention:
    """The kernel as a function. Raises ImportError without its library."""
    library = importlib.import_module(LIBRARIES[kernel])
    calls: dict[str, Callable[[Any], Attention]] = {"cudnn8": _cudnn, "flashinfer8": _flashinfer, "sage": _sage}
    return calls[kernel](library)


def _sage(library: Any) -> Attention:
    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out: Tensor = library.sageattn(q, k, v, tensor_layout="NHD", is_causal=False)
        return out

    return call


def _flashinfer(library: Any) -> Attention:
    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found = []
        for one in zip(q, _centred(k), v, strict=True):
            (q8, q_scale), (k8, k_scale), (v8, v_scale) = (_codes(x, over=(0, 2)) for x in one)
            scales = {"scale_q": q_scale.flatten(), "scale_k": k_scale.flatten(), "scale_v": v_scale.flatten()}
            found.append(library.single_prefill_with_kv_cache(q8, k8, v8, **scales, o_dtype=q.dtype))
        return torch.stack(found)

    return call


def _cudnn(library: Any) -> Attention:
    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        (q8, q_scale), (k8, k_scale), (v8, v_scale) = (_codes(x) for x in (q, _centred(k), v))
        graph, places = _cudnn_graph(library, tuple(q.shape), k.shape[1], q.device)
        # A mean of values is no larger than the largest of them, so neither is the output's scale.
        numbers = (q_scale, k_scale, v_scale, 1 / _SCORE_SCALE, _SCORE_SCALE, 1 / v_scale)
        scalars = [
            torch.as_tensor(value, dtype=torch.float32, device=q.device).reshape(1, 1, 1, 1) for value in numbers
        ]
        out = torch.empty(q.shape, dtype=torch.float8_e4m3fn, device=q.device)
        largest = [torch.empty(1, 1, 1, 1, device=q.device) for _ in range(2)]
        graph(dict(zip(places, (q8, k8, v8, *scalars, out, *largest), strict=True)))
        return out.to(q.dtype) * v_scale.to(q.dtype)

    return call


@cache
def _cudnn_graph(
    library: Any, shape: tuple[int, ...], num_keys: int, device: torch.device
) -> tuple[Callable[[dict[Any, Tensor]], None], tuple[Any, ...]]:
    """A compiled call, and its tensors in the order q, k, v, scales, output, largest score, largest output."""
    batch, length, heads, size = shape
    float8, float32 = library.data_type.FP8_E4M3, library.data_type.FLOAT
    handle = library.create_handle()
    graph = library.pygraph(
        io_data_type=float8, intermediate_data_type=float32, compute_data_type=float32, handle=handle
    )

    def laid_out(tokens: int) -> dict[str, Any]:
        dims = (batch, heads, tokens, size)
        return {"dim": dims, "stride": (tokens * heads * size, size, heads * size, 1), "data_type": float8}

    one = {"dim": (1, 1, 1, 1), "stride": (1, 1, 1, 1), "data_type": float32}
    q = graph.tensor(name="q", **laid_out(length))
    k, v = (graph.tensor(name=name, **laid_out(num_keys)) for name in "kv")
    names = ("descale_q", "descale_k", "descale_v", "descale_s", "scale_s", "scale_o")
    scales = {name: graph.tensor(name=name, **one) for name in names}
    out, _, *largest = graph.sdpa_fp8(
        q=q, k=k, v=v, **scales, generate_stats=False, attn_scale=size**-0.5, use_causal_mask=False
    )
    for place, layout in ((out, laid_out(length)), *((place, one) for place in largest)):
        place.set_output(True).set_dim(layout["dim"]).set_stride(layout["stride"]).set_data_type(layout["data_type"])
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([library.heur_mode.A])
    graph.check_support()
    graph.build_plans()
    workspace = torch.empty(graph.get_workspace_size(), device=device, dtype=torch.uint8)

    def run(tensors: dict[Any, Tensor]) -> None:
        library.set_stream(handle=handle, stream=torch.cuda.current_stream(device).cuda_stream)
        graph.execute(tensors, workspace, handle=handle)

    return run, (q, k, v, *scales.values(), out, *largest)


def _centred(k: Tensor) -> Tensor:
    """Keys without their mean over the tokens, which adds the same to all scores of a query: the softmax is equal."""
    return k - k.mean(dim=1, keepdim=True, dtype=torch.float32).to(k.dtype)


def _codes(x: Tensor, over: tuple[int, ...] | None = None) -> tuple[Tensor, Tensor]:
    """Round x to float8 with one float32 scale, or one for each place that is not in the dimensions `over`."""
    dims = over if over is not None else tuple(range(x.ndim))
    largest = torch.linalg.vector_norm(x, torch.inf, dim=dims, keepdim=True)
    scale = (largest.float() / LARGEST_CODE).clamp(min=2.0**-100)
    codes = (x * (1 / scale).to(x.dtype)).clamp(-LARGEST_CODE, LARGEST_CODE).to(torch.float8_e4m3fn)
    return codes, scale if over is not None else scale.reshape(())

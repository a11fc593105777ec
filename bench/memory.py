"""Peak memory of every phase on this GPU with random weights, beside what the plan predicts; prints JSON.

python bench/memory.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from diffusers import AutoencoderKLWan

from pipelines.benchmark.speed import CASES, forward, random_inputs, random_transformer
from pipelines.front.cost import WAN_VAE, call_bytes
from pipelines.models.lean.block_offload import BlockOffload
from pipelines.models.vae.vae import decode_stream, encode_mean
from pipelines.tasks import network_of


def peak(work: Callable[[], object]) -> int:
    """Bytes that `work` takes on top of what is there."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    return torch.cuda.max_memory_allocated() - before


@torch.inference_mode()
def vae_figures(height: int, width: int) -> dict[str, float]:
    """Bytes for every pixel: encoding one and 25 frames, decoding 31 latent frames in half, float32 and tiles."""
    vae = AutoencoderKLWan().cuda().eval().requires_grad_(False)
    latents = torch.randn(1, 16, 31, height // 8, width // 8, device="cuda")
    pixels = height * width

    def decode(**options: bool) -> None:
        for chunk in decode_stream(vae, latents, **options):
            (chunk * 127.5).to(torch.uint8)

    list(decode_stream(vae, latents[:, :, :1]))  # the cast weights are no part of the work memory
    figures = {
        "encode_picture": peak(lambda: encode_mean(vae, torch.zeros(1, 3, 1, height, width, device="cuda"))),
        "encode": peak(lambda: encode_mean(vae, torch.zeros(1, 3, 25, height, width, device="cuda"))),
        "half_decode": peak(decode),
        "exact_decode": peak(lambda: decode(exact=True)),
    }
    vae.enable_tiling()
    figures["tiled_decode"] = peak(decode)
    return {name: round(value / pixels) for name, value in figures.items()}


@torch.inference_mode()
def call_figures() -> dict[str, dict[str, float]]:
    """GiB of one call on top of two layers' weights, predicted and measured; keys and values of the text are extra."""
    figures = {}
    for case in CASES:
        network = random_transformer(case.family, num_layers=2)
        inputs = random_inputs(network, case)
        measured = peak(lambda: forward(network, inputs))  # noqa: B023 - called at once
        predicted = call_bytes(replace(network_of(case.family), num_layers=2), case.num_tokens)
        figures[case.name] = {"predicted": predicted / 2**30, "measured": measured / 2**30}
    return figures


@torch.inference_mode()
def offload_figures() -> dict[str, object]:
    """Whether offloaded blocks compute the same, and the memory and time of a call both ways."""
    network, case = random_transformer("r2v", num_layers=8), CASES[0]
    inputs = random_inputs(network, case)
    expected = forward(network, inputs)
    resident, start, end = torch.cuda.memory_allocated(), *(torch.cuda.Event(enable_timing=True) for _ in "ab")
    times = []
    for offload in (False, True):
        if offload:
            BlockOffload(network, "cuda")
            torch.cuda.empty_cache()
            same = bool(torch.equal(forward(network, random_inputs(network, case)), expected))
        start.record()
        forward(network, inputs)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return {
        "same": same,
        "resident GiB": resident / 2**30,
        "offloaded GiB": torch.cuda.memory_allocated() / 2**30,
        "seconds": times,
    }


if __name__ == "__main__":
    print(json.dumps({"vae constants": {name: getattr(WAN_VAE, name) for name in WAN_VAE.__dataclass_fields__}}))
    for size in ((544, 960), (720, 1280)):
        print(json.dumps({f"vae {size}": vae_figures(*size)}), flush=True)
    print(json.dumps({"calls": call_figures()}), flush=True)
    print(json.dumps({"offload": offload_figures()}), flush=True)

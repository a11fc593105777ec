"""What several devices of this host take together: one call, a step of several calls, the decode, the messages.

Every function is called by all ranks of a gang. Seconds are the slowest rank's, by the wall. A gang of one computes as
a job on one device does.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pipelines.benchmark.speed import CASES, Inputs, forward, random_inputs, random_transformer
from pipelines.families import family_named
from pipelines.models.transformer.transformer import NetworkCall, SkyReelsTransformer
from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder
from pipelines.parallel.branches import make_calls
from pipelines.parallel.gang import Gang
from pipelines.parallel.rows import decode_rows
from pipelines.parallel.sequence import shard_sequence
from pipelines.tasks.spec import BenchCase

FULL_LAYERS = 40

WARM_LAYERS = 2
"""So many blocks meet every shape: kernels are compiled and buffers allocated as by all of them."""

MESSAGE_DIM = 1280
"""Numbers of a row of an exchanged message: those of ten heads."""

TINY = {"num_attention_heads": 8, "attention_head_dim": 16, "text_dim": 32, "freq_dim": 32, "ffn_dim": 64}
TINY_AVATAR = {"image_dim": 24, "added_kv_proj_dim": 128, "audio_feature_dim": 96, "audio_dim": 16,
               "audio_hidden_dim": 16, "audio_tokens": 4}  # fmt: skip
TINY_LAYERS = 2


@dataclass(frozen=True, slots=True)
class Timed:
    """Repeated work of one gang."""

    seconds: tuple[float, ...]
    peak_bytes: int
    """On the device that took most; 0 on a CPU."""

    @property
    def median_s(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.seconds)


def slowest_seconds(gang: Gang, work: Callable[[], object], repeats: int) -> tuple[float, ...]:
    """Time `work` so often."""
    times = []
    for _ in range(repeats):
        dist.barrier(group=gang.host)
        _sync(gang)
        start = time.perf_counter()
        result = work()
        _sync(gang)
        taken = torch.tensor([time.perf_counter() - start])
        del result
        dist.all_reduce(taken, op=dist.ReduceOp.MAX, group=gang.host)
        times.append(taken.item())
    return tuple(times)


def most_held(gang: Gang) -> int:
    """Most that a device held since `forget_peak`."""
    here = torch.cuda.max_memory_allocated() if gang.device.type == "cuda" else 0
    found = torch.tensor([here])
    dist.all_reduce(found, op=dist.ReduceOp.MAX, group=gang.host)
    return int(found.item())


def forget_peak(gang: Gang) -> None:
    """Free what is not held, and begin to look for the peak."""
    gc.collect()
    if gang.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _sync(gang: Gang) -> None:
    if gang.device.type == "cuda":
        torch.cuda.synchronize()


def network_options(family: str) -> Mapping[str, Any]:
    """What a family's network is built with: families of equal options can share one."""
    return family_named(family).network


def network_for(gang: Gang, family: str, layers: int) -> SkyReelsTransformer:
    """A full-size network of random weights, the same on every rank; on a CPU a tiny one in float32."""
    if gang.device.type == "cuda":
        return random_transformer(family, layers, device=str(gang.device))
    sizes = TINY | (TINY_AVATAR if "audio_feature_dim" in network_options(family) else {})
    return random_transformer(family, min(layers, TINY_LAYERS), device="cpu", sizes=sizes).float()


def cases_for(gang: Gang, name: str) -> list[BenchCase]:
    """The cases whose name contains `name`; on a CPU of a small picture."""
    cases = [case for case in CASES if name.lower() in case.name.lower()]
    if gang.device.type == "cuda":
        return cases
    return [replace(case, height=48, width=80, latent_frames=5) for case in cases]


def share(network: SkyReelsTransformer, gang: Gang) -> None:
    """Let calls of `network` be the gang's."""
    network.sharding = None
    if gang.size > 1:
        shard_sequence(network, gang)


def warm_up(gang: Gang, network: SkyReelsTransformer, work: Callable[[], object]) -> None:
    """Do `work` with few blocks."""
    blocks = network.blocks
    network.blocks = blocks[:WARM_LAYERS]
    try:
        slowest_seconds(gang, work, 2)
    finally:
        network.blocks = blocks


def time_call(gang: Gang, network: SkyReelsTransformer, case: BenchCase, repeats: int) -> tuple[Timed, Tensor]:
    """One call of the network; also its velocity."""
    forget_peak(gang)
    share(network, gang)
    inputs = random_inputs(network, case)
    warm_up(gang, network, lambda: forward(network, inputs))
    last: list[Tensor] = []

    def call() -> None:
        last[:] = [forward(network, inputs)]

    seconds = slowest_seconds(gang, call, repeats)
    return Timed(seconds, most_held(gang)), last[0]


def time_guided(
    gang: Gang, network: SkyReelsTransformer, case: BenchCase, repeats: int, *, side_by_side: bool
) -> tuple[Timed, list[Tensor]]:
    """Three independent calls, as a step with guidance makes; also their velocities, on the leader."""
    forget_peak(gang)
    share(network, gang)
    calls = [call_of(random_inputs(network, case, seed)) for seed in (1, 2, 3)]
    last: list[Tensor] = []

    @torch.inference_mode()
    def step() -> None:
        if side_by_side:
            last[:] = make_calls(gang, network, network, calls)
        else:
            last[:] = network.each(calls)

    warm_up(gang, network, step)
    seconds = slowest_seconds(gang, step, repeats)
    return Timed(seconds, most_held(gang)), last


def call_of(inputs: Inputs) -> NetworkCall:
    """The call that `forward` makes."""
    options = {
        "frame_index": inputs.frame_index,
        "audio": inputs.audio,
        "num_output_frames": inputs.num_output_frames,
    }
    return NetworkCall((inputs.latents, inputs.timesteps, inputs.context), options)


def decoder_for(gang: Gang) -> tuple[DecoderWeights, Tensor]:
    """Random weights of the decoder and latents [T, 16, h, w] of 121 frames 540P; on a CPU both are small."""
    from pipelines.models.library import AutoencoderKLWan

    torch.manual_seed(0)
    is_tiny = gang.device.type == "cpu"
    vae = AutoencoderKLWan(**({"base_dim": 4, "num_res_blocks": 1} if is_tiny else {})).to(gang.device).eval()
    shape = (2, 16, 9, 4) if is_tiny else (31, 16, 68, 120)
    latents = torch.randn(*shape, generator=torch.Generator().manual_seed(1)).to(gang.device)
    return DecoderWeights(vae, torch.float32 if is_tiny else torch.float16), latents


@torch.inference_mode()
def decode(gang: Gang, weights: DecoderWeights, latents: Tensor) -> list[Tensor]:
    """Frames in -1..1, on the leader."""
    if gang.size > 1:
        return [part for part in decode_rows(gang, weights, latents) if part is not None]
    decoder = StreamingDecoder(weights, torch.float32)
    return [decoder.decode(latent) for latent in latents.split(1)]


def time_decode(gang: Gang, weights: DecoderWeights, latents: Tensor, repeats: int) -> Timed:
    """The whole decode to levels of 255."""
    forget_peak(gang)

    def work() -> list[Tensor]:
        return [((part + 1) * 127.5).to(torch.uint8) for part in decode(gang, weights, latents)]

    slowest_seconds(gang, work, 1)
    seconds = slowest_seconds(gang, work, repeats)
    return Timed(seconds, most_held(gang))


def exchange_rate(gang: Gang, mib: int, repeats: int = 7) -> float:
    """GB/s that one rank sends in an all-to-all, when it holds so many MiB in bfloat16."""
    rows = mib * 2**20 // 2 // MESSAGE_DIM // gang.size
    x = torch.randn(rows * gang.size, MESSAGE_DIM, device=gang.device).to(torch.bfloat16)
    counts = [rows] * gang.size
    slowest_seconds(gang, lambda: gang.exchange(x, counts, counts), 3)
    times = slowest_seconds(gang, lambda: gang.exchange(x, counts, counts), repeats)
    return x.nbytes * (gang.size - 1) / gang.size / statistics.median(times) / 1e9


def distance(out: Tensor, expected: Tensor) -> float:
    """Relative L2."""
    expected = expected.double().cpu()
    return ((out.double().cpu() - expected).norm() / expected.norm()).item()

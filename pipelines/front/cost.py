"""What a job costs on paper: operations, memory and disk; knows nothing about real machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.front.fields import Profile
from pipelines.front.plan import Plan, Segment


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """The figures of a transformer that its cost depends on."""

    dim: int
    ffn_dim: int
    num_layers: int
    context_tokens: int
    """Rows of text (and picture) that every token attends to."""
    square_linears: int
    """Linear layers of dim x dim that every token passes, per block."""
    weights_bytes: int
    text_bytes: int
    """The text encoder without its token table, which stays in its file."""
    decode_flops_per_pixel: float
    """VAE decode operations per pixel of one frame."""

    def in_profile(self, profile: Profile) -> NetworkSize:
        """These figures, or those of the tiny models that stand for them in the demo profile."""
        return DEMO_NETWORK if profile == "demo" else self


WAN_14B = NetworkSize(5120, 13824, 40, 512, 6, 29_100_000_000, 9_300_000_000, 8.55e6)
"""R2V and V2V: bfloat16 transformer and float32 VAE; the text encoder apart."""

AVATAR_19B = NetworkSize(5120, 13824, 40, 801, 8, 40_100_000_000, 9_300_000_000, 8.55e6)
"""A2V: the transformer with its audio branch, VAE, CLIP vision and wav2vec2."""

DEMO_NETWORK = NetworkSize(32, 56, 3, 512, 6, 5_000_000, 3_000_000, 2.0e4)
"""The tiny models of the demo profile."""


@dataclass(frozen=True, slots=True)
class VaeMemory:
    """Bytes of work memory for every pixel of a frame."""

    encode_picture: int
    encode: int
    half_decode: int
    exact_decode: int


WAN_VAE = VaeMemory(encode_picture=5_000, encode=18_200, half_decode=7_600, exact_decode=22_500)
"""As measured on an H200, causal caches included; `encode_picture` is an estimate. `bench/memory.py` measures all."""

DEMO_VAE = VaeMemory(200, 800, 400, 1_000)

MAX_PICTURES = 4
"""So many encoded frames or fewer are pictures that are encoded one by one."""

TILE_PIXELS = 256 * 256


def call_flops(network: NetworkSize, num_tokens: int) -> float:
    """Operations of one transformer call, two for each multiply-add; `num_tokens` in all."""
    return linear_flops(network, num_tokens) + attention_flops(network, num_tokens)


def linear_flops(network: NetworkSize, num_tokens: int) -> float:
    """Those of its linear layers."""
    block = 2 * num_tokens * (network.square_linears * network.dim**2 + 2 * network.dim * network.ffn_dim)
    return float(network.num_layers * block)


def attention_flops(network: NetworkSize, num_tokens: int) -> float:
    """Those of its attention, to the context as well."""
    block = 4 * network.dim * float(num_tokens) * (num_tokens + network.context_tokens)
    return network.num_layers * block


def call_bytes(network: NetworkSize, num_tokens: int) -> int:
    """Work memory of one transformer call on top of the weights, within 5 % of what an H200 measured for A2V.

    Rows of tokens (six of them, and the feed-forward's inner one) in bfloat16 and one float32 row for the norms;
    keys and values of the context in every block, twice while they are made.
    """
    rows = num_tokens * (2 * (6 * network.dim + network.ffn_dim) + 4 * network.dim)
    return rows + 2 * 4 * network.num_layers * network.context_tokens * network.dim


def make_plan(
    network: NetworkSize,
    *,
    height: int,
    width: int,
    fps: int,
    segments: Sequence[Segment],
    encoded_frames: int,
    num_frames: int | None = None,
) -> Plan:
    """Add up the cost of `segments`.

    `encoded_frames` are frames that pass the VAE encoder once in the whole job (an encoded frame costs
    about 0.6 of a decoded one). `num_frames` defaults to the sum of the segments' new frames.
    """
    num_frames = sum(segment.new_frames for segment in segments) if num_frames is None else num_frames
    denoise = sum(
        call_flops(network, segment.num_tokens) * segment.num_steps * segment.calls_per_step for segment in segments
    )
    decoded_frames = sum(4 * segment.latent_frames - 3 for segment in segments)
    pixels = height * width
    num_tokens = max(segment.num_tokens for segment in segments)
    latent_bytes = max(segment.latent_frames for segment in segments) * pixels // 64 * 16 * 4
    hidden_bytes = call_bytes(network, num_tokens)
    most_frames = max(4 * segment.latent_frames - 3 for segment in segments)
    memory = DEMO_VAE if network is DEMO_NETWORK else WAN_VAE
    decode_bytes = memory.half_decode * pixels
    # One frame alone leaves the temporal convolutions without history.
    encode_bytes = pixels * (memory.encode_picture if encoded_frames <= MAX_PICTURES else memory.encode)
    output_bytes = int(num_frames * pixels * 0.06)
    return Plan(
        height=height,
        width=width,
        fps=fps,
        num_frames=num_frames,
        segments=tuple(segments),
        denoise_flops=denoise,
        vae_flops=network.decode_flops_per_pixel * pixels * (decoded_frames + 0.6 * encoded_frames),
        weights_bytes=network.weights_bytes,
        text_bytes=network.text_bytes,
        activation_bytes=max(hidden_bytes, decode_bytes),
        output_bytes=output_bytes,
        work_bytes=output_bytes + 2 * 4 * latent_bytes,
        denoise_bytes=hidden_bytes,
        encode_bytes=encode_bytes,
        decode_bytes=decode_bytes,
        exact_decode_bytes=memory.exact_decode * pixels,
        tiled_decode_bytes=min(memory.exact_decode * TILE_PIXELS, memory.exact_decode * pixels)
        + 2 * 12 * most_frames * pixels,
    )

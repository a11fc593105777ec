"""Speed of this machine with full-size networks of random weights: ceilings, steps, decoding, memory.

Nothing is downloaded. Times are medians after a warm-up, in seconds of device time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.families import family_named
from pipelines.front.cost import NetworkSize, call_flops
from pipelines.models.transformer.attention import attention
from pipelines.models.transformer.transformer import AudioContext, SkyReelsTransformer, TextContext
from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder
from pipelines.tasks import TASKS, network_of, tasks_of
from pipelines.tasks.spec import BenchCase

TEXT_TOKENS = 512
IMAGE_TOKENS = 257
LATENT_CHANNELS = 16


CASES: tuple[BenchCase, ...] = tuple(case for task in TASKS for case in task.bench)
"""The calls of every task."""


def job_steps(family: str) -> int:
    """Denoising steps of one clip, piece or window, as a form starts with."""
    steps: int = asdict(tasks_of(family)[0].request_type())["num_inference_steps"]
    return steps


@dataclass(frozen=True, slots=True)
class StepTime:
    """Measured time of one transformer call."""

    case: BenchCase
    seconds: tuple[float, ...]
    first_seconds: float
    """The first call of the process, compilation included."""
    peak_bytes: int
    weights_bytes: int
    num_layers: int = 40

    @property
    def median_s(self) -> float:
        """Median of the measured calls, scaled to all layers when fewer were built."""
        return statistics.median(self.seconds) * self.network.num_layers / self.num_layers

    @property
    def network(self) -> NetworkSize:
        """The full-size network's figures."""
        return network_of(self.case.family)

    @property
    def tflops(self) -> float:
        """Operations of the call over its median time, in 10^12 a second."""
        return call_flops(self.network, self.case.num_tokens) / self.median_s / 1e12


def random_transformer(
    family: str, num_layers: int = 40, seed: int = 0, device: str = "cuda", sizes: Mapping[str, int] | None = None
) -> SkyReelsTransformer:
    """A full-width bfloat16 transformer with random weights, its float32 tensors kept float32.

    sizes: options of the network that replace those of the release.
    """
    from pipelines.models.transformer.transformer import FLOAT32_NAMES

    options = {**family_named(family).network, "num_layers": num_layers, **(sizes or {})}
    with torch.device("meta"):
        network: SkyReelsTransformer = SkyReelsTransformer(**options)
    generator = torch.Generator(device).manual_seed(seed)
    for name, parameter in network.named_parameters():
        kept = any(part in name for part in FLOAT32_NAMES)
        dtype = torch.float32 if kept else torch.bfloat16
        value = torch.empty(parameter.shape, dtype=dtype, device=device)
        if name.endswith("bias"):
            value.normal_(0, 0.02, generator=generator)
        elif value.ndim == 1:
            value.normal_(1, 0.1, generator=generator)
        else:
            value.normal_(0, (parameter.numel() / parameter.shape[0]) ** -0.5, generator=generator)
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, torch.nn.Parameter(value, requires_grad=False))
    network.eval()
    return network


@dataclass(frozen=True, slots=True)
class Inputs:
    """Random inputs of one case."""

    latents: Tensor
    timesteps: Tensor
    context: TextContext
    frame_index: Tensor | None
    audio: AudioContext | None
    num_output_frames: int


@torch.inference_mode()
def random_inputs(network: SkyReelsTransformer, case: BenchCase, seed: int = 1) -> Inputs:
    """Inputs of the shapes that the family's pipeline makes."""
    device, config = network.device, network.config
    generator = torch.Generator(device).manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, generator=generator)

    options = family_named(case.family).network
    latents = draw(
        1, options.get("in_channels", LATENT_CHANNELS), case.latent_frames, case.height // 8, case.width // 8
    )
    image = draw(1, IMAGE_TOKENS, config.image_dim) if "image_dim" in options else None
    context = network.encode_context(draw(1, TEXT_TOKENS, config.text_dim), image)
    audio = None
    if "audio_feature_dim" in options:
        speech = draw(1, 4 * case.latent_frames - 3, 5, 12, config.audio_feature_dim // 12)
        audio = network.encode_audio(speech)
    if case.condition_stays:
        index = torch.ones(case.latent_frames, dtype=torch.long, device=device)
        index[: case.condition_frames] = 0
        return Inputs(latents, torch.tensor([0.0, 927.0], device=device), context, index, audio, case.latent_frames)
    output = case.latent_frames - case.condition_frames
    return Inputs(latents, torch.tensor([927.0], device=device), context, None, audio, output)


def forward(network: SkyReelsTransformer, inputs: Inputs) -> Tensor:
    """One call, as a pipeline makes it."""
    with torch.inference_mode():
        velocity: Tensor = network(
            inputs.latents,
            inputs.timesteps,
            inputs.context,
            frame_index=inputs.frame_index,
            audio=inputs.audio,
            num_output_frames=inputs.num_output_frames,
        )
        return velocity


def step_time(network: SkyReelsTransformer, case: BenchCase, repeats: int = 3) -> StepTime:
    """Measure one case; the first call is kept apart."""
    inputs = random_inputs(network, case)
    torch.cuda.reset_peak_memory_stats()
    first = seconds_of(lambda: forward(network, inputs))
    seconds = tuple(seconds_of(lambda: forward(network, inputs)) for _ in range(repeats))
    weights = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    layers = len(list(network.get_submodule("blocks").children()))
    return StepTime(case, seconds, first, torch.cuda.max_memory_allocated(), weights, layers)


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of `work` until the device is idle."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    torch.cuda.synchronize()
    del result
    return time.perf_counter() - start


def ceilings() -> dict[str, float]:
    """TFLOP/s of a bfloat16 matrix product and of exact attention at a job's size, and GB/s of a copy."""
    tokens, dim, inner = 71400, 5120, 13824
    x = torch.randn(tokens, dim, device="cuda", dtype=torch.bfloat16)
    weight = torch.randn(inner, dim, device="cuda", dtype=torch.bfloat16)
    matmul = _median(lambda: F.linear(x, weight))
    q = torch.randn(1, 32768, 40, 128, device="cuda", dtype=torch.bfloat16)
    softmax = _median(lambda: attention(q, q, q))
    copy = torch.empty_like(x)
    moved = _median(lambda: copy.copy_(x))
    return {
        "matmul_tflops": 2 * tokens * dim * inner / matmul / 1e12,
        "attention_tflops": 4 * 32768**2 * dim / softmax / 1e12,
        "copy_gb_per_s": 2 * x.nbytes / moved / 1e9,
    }


def decode_seconds(height: int, width: int, latent_frames: int, repeats: int = 3) -> tuple[float, int]:
    """Median seconds and peak bytes of decoding a whole clip with random weights."""
    from pipelines.models.library import AutoencoderKLWan

    torch.manual_seed(0)
    weights = DecoderWeights(AutoencoderKLWan().cuda().eval(), torch.float16)
    z = torch.randn(latent_frames, 16, height // 8, width // 8, device="cuda")

    def decode() -> None:
        decoder = StreamingDecoder(weights, torch.float32)
        for chunk in z.split(1):
            ((decoder.decode(chunk) + 1) * 127.5).to(torch.uint8)

    decode()
    torch.cuda.reset_peak_memory_stats()
    return _median(decode, repeats), torch.cuda.max_memory_allocated()


def _median(work: Callable[[], object], repeats: int = 5) -> float:
    work()
    return statistics.median(seconds_of(work) for _ in range(repeats))

"""How long a job takes: a FLOP model times a machine's rates; knows nothing about a job that runs."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.front.plan import Plan

PRIOR_TFLOPS: tuple[tuple[str, float], ...] = (
    ("GB10", 61), ("Thor", 61), ("B200", 900), ("H200", 480), ("H100", 430), ("GH200", 450), ("A100", 190),
    ("L40", 110), ("RTX PRO 6000", 220), ("5090", 150), ("4090", 100), ("3090", 45), ("A6000", 60),
)  # fmt: skip
"""Sustained rate of a denoising step by a part of the GPU's name; the first that fits."""

UNKNOWN_GPU_TFLOPS = 60.0
NO_GPU_TFLOPS = 0.05
DECODE_SHARE = 0.208
"""Rate of the VAE, in 32-bit convolutions, against that of the transformer."""
SHARED_SPEED = 0.92
"""Part of a GPU's speed that is left when several share a step."""
LOAD_BYTES_PER_S = 1.2e9

NAMED_DOUBT, UNNAMED_DOUBT, NO_GPU_DOUBT = 1.6, 15.0, 30.0
"""How far off a guess may be, as a factor, from the name of the GPU."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one task at one size takes on this machine."""

    flops_per_s: float
    """Denoising."""
    vae_flops_per_s: float
    load_s: float
    """Reading all weights; the prompt is encoded meanwhile."""
    text_s: float = 1.0
    condition_s: float = 0.5
    """Preparing one segment."""
    write_s: float = 2.0
    """Joining the pieces and checking the file."""
    first_step_factor: float = 1.0
    """Time of a job's first step against the others: it pays for warming up."""
    jobs: int = 0
    """Finished jobs behind these figures; 0 for a guess."""
    doubt: float = 1.0
    """The truth lies within the times divided and multiplied by this."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Predicted seconds of a job that has not begun."""

    total_s: float
    step_s: float
    """One denoising step of the first segment."""
    learned: bool
    """True when this machine has done such a job before."""
    doubt: float = 1.0
    """The truth lies within the times divided and multiplied by this."""


def prior_rates(gpu: str, plan: Plan) -> Rates:
    """Guess from the GPU's name; '' means that there is none."""
    tflops = next((rate for part, rate in PRIOR_TFLOPS if part in gpu), UNKNOWN_GPU_TFLOPS)
    tflops = tflops * speed_up(plan.gpus) if gpu else NO_GPU_TFLOPS
    doubt = NO_GPU_DOUBT if not gpu else NAMED_DOUBT if any(part in gpu for part, _ in PRIOR_TFLOPS) else UNNAMED_DOUBT
    load_s = (plan.weights_bytes + plan.text_bytes) / LOAD_BYTES_PER_S
    return Rates(tflops * 1e12, tflops * 1e12 * DECODE_SHARE, load_s, doubt=doubt)


def speed_up(gpus: str) -> float:
    """What a step gains on so many GPUs of one host, as measured on two and four; nothing for what is no number."""
    return SHARED_SPEED * int(gpus) if gpus.isdecimal() and gpus != "1" else 1.0


def size_key(task: str, plan: Plan) -> str:
    """Name of what is remembered: task, picture size, length of a transformer call, and GPUs when they are several."""
    several = "" if plan.gpus == "1" else f" {plan.gpus}"
    return f"{task} {plan.height}x{plan.width} {plan.num_tokens}{several}"


def step_flops(plan: Plan) -> list[list[float]]:
    """Operations of every denoising step, one list a segment, in units whose sum is `denoise_flops`."""
    # Linear work grows with the tokens, attention with their square; at the sizes of these models the
    # share between the two hardly moves the split between segments of nearly equal length.
    shares = [
        [float(segment.num_tokens) ** 1.6 * segment.calls_per_step] * segment.num_steps for segment in plan.segments
    ]
    total = sum(map(sum, shares))
    return [[share / total * plan.denoise_flops for share in steps] for steps in shares]


def decode_flops(plan: Plan) -> list[float]:
    """Operations of the VAE for every segment, in units whose sum is `vae_flops`."""
    total = sum(segment.latent_frames for segment in plan.segments)
    return [segment.latent_frames / total * plan.vae_flops for segment in plan.segments]


def predict(plan: Plan, rates: Rates) -> Estimate:
    """Seconds of a whole job at the given rates."""
    steps = step_flops(plan)
    first = steps[0][0] / rates.flops_per_s
    denoise = plan.denoise_flops / rates.flops_per_s + first * (rates.first_step_factor - 1)
    prepare = rates.load_s + rates.text_s + rates.condition_s * len(plan.segments)
    total = prepare + denoise + plan.vae_flops / rates.vae_flops_per_s + rates.write_s
    return Estimate(total, first, rates.jobs > 0, rates.doubt)

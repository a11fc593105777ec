"""A machine's speeds, what a step and a decode take at them, and the predicted ones of a GB10; measures nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.front.cost import NetworkSize, attention_flops, linear_flops
from pipelines.front.documents import read_json
from pipelines.front.language import tr
from pipelines.tasks import TASKS
from pipelines.tasks.spec import BenchCase

SPEED_FILE = "speed.json"
"""Name of this machine's own measurement in the state folder."""
FUSED_BYTES = 245_000
"""Bytes that the element-wise kernels of one block move for one token: 4.3 ms at 4.07 TB/s for 71 400, measured."""
DECODE_SHARE = 0.33
"""Rate of the VAE's float16 decode against that of a bfloat16 product, measured on an H200."""
CASES: tuple[BenchCase, ...] = tuple(case for task in TASKS for case in task.bench)
_NETWORKS: Mapping[str, NetworkSize] = {task.family: task.network for task in reversed(TASKS)}
_STEPS: Mapping[str, int] = {
    task.family: int(asdict(task.request_type())["num_inference_steps"]) for task in reversed(TASKS)
}


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Sustained rates of one GPU."""

    matmul_tflops: float
    attention_tflops: float
    copy_gb_per_s: float


GB10 = Ceilings(matmul_tflops=90, attention_tflops=93, copy_gb_per_s=230)
"""Published for attention (93 to 95) and bandwidth; the product's 90 is the low end of what is assumed (90 to 108)."""


@dataclass(frozen=True, slots=True)
class StepParts:
    """Seconds of one denoising step by what bounds them."""

    attention_s: float
    linear_s: float
    fused_s: float

    @property
    def total_s(self) -> float:
        """The whole step."""
        return self.attention_s + self.linear_s + self.fused_s


def step_parts(case: BenchCase, at: Ceilings) -> StepParts:
    """What one call of a full-size network takes when nothing but these rates bounds it."""
    network = _NETWORKS[case.family]
    return StepParts(
        attention_flops(network, case.num_tokens) / (at.attention_tflops * 1e12),
        linear_flops(network, case.num_tokens) / (at.matmul_tflops * 1e12),
        FUSED_BYTES * case.num_tokens * network.num_layers / (at.copy_gb_per_s * 1e9),
    )


def case_decode_flops(case: BenchCase) -> float:
    """Operations of decoding all latent frames of a case."""
    frames = 4 * case.latent_frames - 3
    return _NETWORKS[case.family].decode_flops_per_pixel * case.height * case.width * frames


def decode_s(case: BenchCase, at: Ceilings) -> float:
    """What decoding all latent frames of a case takes."""
    return case_decode_flops(case) / (at.matmul_tflops * 1e12 * DECODE_SHARE)


def predicted_report(name: str, at: Ceilings) -> dict[str, Any]:
    """Predictions in the form of the file that `bench --output` writes."""
    cases = []
    for case in CASES:
        step, decode, steps = step_parts(case, at).total_s, decode_s(case, at), _STEPS[case.family]
        flops = attention_flops(_NETWORKS[case.family], case.num_tokens) + linear_flops(
            _NETWORKS[case.family], case.num_tokens
        )
        cases.append(
            {
                "name": case.name,
                "tokens": case.num_tokens,
                "step_s": step,
                "tflops": flops / step / 1e12,
                "decode_s": decode,
                "steps": steps,
                "projected_s": steps * step + decode,
            }
        )
    return {"gpu": name, "predicted": True, "layers": 40, "ceilings": asdict(at), "cases": cases}


@dataclass(frozen=True, slots=True)
class MeasuredCase:
    """One case of a file."""

    name: str
    num_tokens: int
    step_s: float
    tflops: float
    decode_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A file that `bench --output` wrote."""

    gpu: str
    is_predicted: bool
    ceilings: Ceilings
    cases: tuple[MeasuredCase, ...]

    def nearest(self, num_tokens: int) -> MeasuredCase | None:
        """The case whose call is nearest in length."""
        return min(self.cases, key=lambda case: abs(case.num_tokens - num_tokens), default=None)


def read_measured(path: Path) -> Measured:
    """Read such a file. Raises OSError, or ValueError in words for what is none."""
    content = read_json(path.read_text("utf-8"))
    try:
        ceilings = Ceilings(**{name: _positive(content["ceilings"][name]) for name in Ceilings.__slots__})
        cases = tuple(
            MeasuredCase(
                str(case["name"])[:80],
                int(_positive(case["tokens"])),
                *(_positive(case[name]) for name in ("step_s", "tflops", "decode_s")),
            )
            for case in content["cases"]
        )
        return Measured(str(content["gpu"])[:80], bool(content.get("predicted", False)), ceilings, cases)
    except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
        raise ValueError(tr("it is no file of `skyreels-tui bench --output`")) from error


def case_named(name: str) -> BenchCase | None:
    """The case that this program measures under a name."""
    return next((case for case in CASES if case.name == name), None)


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError(value)
    return float(value)

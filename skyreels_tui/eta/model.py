"""How long a job takes: a FLOP model times measured rates, corrected by every finished step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.front.plan import Plan
from pipelines.front.progress import Progress, Stage

PRIOR_TFLOPS: tuple[tuple[str, float], ...] = (
    ("GB10", 61), ("Thor", 61), ("B200", 900), ("H200", 480), ("H100", 430), ("GH200", 450), ("A100", 190),
    ("L40", 110), ("RTX PRO 6000", 220), ("5090", 150), ("4090", 100), ("3090", 45), ("A6000", 60),
)  # fmt: skip
"""Sustained rate of a denoising step by a part of the GPU's name; the first that fits."""

UNKNOWN_GPU_TFLOPS = 40.0
NO_GPU_TFLOPS = 0.05
DECODE_SHARE = 0.2
"""Rate of the VAE, in 32-bit convolutions, against that of the transformer."""
SHARED_SPEED = 0.92
"""Part of a GPU's speed that is left when several share a step."""
LOAD_BYTES_PER_S = 1.2e9

AGREE = 0.12
"""Steps whose speeds differ by less belong to one run."""
DECAY = 0.6
"""Weight of a step against the one after it, within a run."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one task at one size takes on this machine."""

    flops_per_s: float
    """Denoising."""
    vae_flops_per_s: float
    prepare_s: float
    """Before the first step of the first segment: weights, text, conditions."""
    write_s: float = 1.0
    first_step_factor: float = 1.0
    """Time of a job's first step against the others: it pays for warming up."""
    jobs: int = 0
    """Finished jobs behind these figures; 0 for a guess."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Predicted seconds of a job that has not begun."""

    total_s: float
    step_s: float
    """One denoising step of the first segment."""
    learned: bool
    """True when this machine has done such a job before."""


def prior_rates(gpu: str, plan: Plan) -> Rates:
    """Guess from the GPU's name; '' means that there is none."""
    tflops = next((rate for part, rate in PRIOR_TFLOPS if part in gpu), UNKNOWN_GPU_TFLOPS)
    tflops = tflops * _speed_up(plan.gpus) if gpu else NO_GPU_TFLOPS
    prepare = 1.0 + (plan.weights_bytes + plan.text_bytes) / LOAD_BYTES_PER_S
    return Rates(tflops * 1e12, tflops * 1e12 * DECODE_SHARE, prepare)


def _speed_up(gpus: str) -> float:
    """What a step gains on so many GPUs of one host, as measured on two and four; nothing until 'all' has been met."""
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
    total = rates.prepare_s + denoise + plan.vae_flops / rates.vae_flops_per_s + rates.write_s
    return Estimate(total, first, rates.jobs > 0)


def current_scale(ratios: Sequence[float]) -> float:
    """Seconds per predicted second now, from those of the finished steps, oldest first.

    The newest run of steps that agree with each other decides, later steps more. One step that disagrees
    may be a change or an accident, so it is averaged with those before; a second step always outweighs
    the first, which pays for warming up.
    """
    newest = ratios[-1]
    run: list[float] = []
    for ratio in reversed(ratios):
        if abs(ratio - newest) > AGREE * newest:
            break
        run.append(ratio)
    weights = [DECAY**age for age in range(len(run))]
    scale = sum(map(float.__mul__, run, weights)) / sum(weights)
    before = ratios[1 : len(ratios) - len(run)]
    if len(run) == 1 and before:
        return (scale + sum(before) / len(before)) / 2
    return scale


class JobEta:
    """Follows one attempt at one job through its reports; has no clock but the attempt's own. Not thread-safe."""

    def __init__(
        self,
        plan: Plan,
        rates: Rates,
        remember: Callable[[Rates], None] = lambda rates: None,
        goes_on_at: tuple[int, int] = (0, 0),
    ) -> None:
        """`goes_on_at` is the (segment, step) of a resumed job."""
        self._plan, self._rates, self._remember = plan, rates, remember
        self._steps, self._decode = step_flops(plan), decode_flops(plan)
        self._now = self._edge = self._stage_began = 0.0
        self._stage: Stage | None = None
        self._segment = self._step = 0
        self._ratios: list[float] = []
        self._decode_spent: list[tuple[float, float]] = []
        self._prepared_s: float | None = None
        self._reached = goes_on_at

    def update(self, progress: Progress, elapsed_s: float) -> float:
        """Take a report, `elapsed_s` after the attempt began, and return the seconds that are left of the job."""
        now = self._now = elapsed_s
        if progress.stage is not self._stage:
            self._change_stage(progress.stage, now)
        if progress.stage is Stage.DENOISE:
            self._take_step(progress, now)
            self._reached = (progress.segment, progress.step)
        self._segment = progress.segment
        return max(0.0, self._left_at_edge(progress, now) - self._into_unit(progress, now))

    def _into_unit(self, progress: Progress, now: float) -> float:
        """Seconds of the unfinished step or decode that have passed, at most what it was to take."""
        segment = min(progress.segment, len(self._steps) - 1)
        if progress.stage is Stage.DENOISE and progress.step < len(self._steps[segment]):
            scale = current_scale(self._ratios) if self._ratios else 1.0
            unit = self._steps[segment][progress.step] / self._rates.flops_per_s * scale
            return min(now - self._edge, unit)
        if progress.stage is Stage.DECODE and not progress.num_steps:
            return min(now - self._stage_began, self._decode[segment] / self._decode_rate())
        return 0.0

    def _left_at_edge(self, progress: Progress, now: float) -> float:
        """Seconds left when the finished unit that `progress` reports had just ended."""
        stage, rates = progress.stage, self._rates
        prepares = stage in (Stage.LOAD, Stage.TEXT, Stage.CONDITION)
        # What comes before the steps knows nothing of those that are stored.
        segment, step = max((progress.segment, 0), self._reached) if prepares else (progress.segment, progress.step)
        segment = min(segment, len(self._steps) - 1)
        scale = current_scale(self._ratios) if self._ratios else 1.0
        ahead = [flops for steps in self._steps[segment + 1 :] for flops in steps]
        decode = sum(self._decode[segment + 1 :])
        left = 0.0
        if prepares and not self._ratios:
            left += max(0.0, rates.prepare_s - now)
            left += self._steps[segment][0] / rates.flops_per_s * (rates.first_step_factor - 1)
        if prepares or stage is Stage.DENOISE:
            ahead += self._steps[segment][step:]
            decode += self._decode[segment]
        elif stage is Stage.DECODE:
            left += self._left_of_decode(progress, segment, now)
        left += sum(ahead) / rates.flops_per_s * scale + decode / self._decode_rate()
        return left + (rates.write_s if stage is not Stage.WRITE or self._more_segments(segment) else 0.0)

    def _left_of_decode(self, progress: Progress, segment: int, now: float) -> float:
        """Seconds of the running decode: its own speed counts the more, the further it has come."""
        usual_s = self._decode[segment] / self._decode_rate()
        done = min(1.0, progress.step / progress.num_steps) if progress.num_steps else 0.0
        own_s = (now - self._stage_began) / done if done else usual_s
        return (1 - done) * (done * own_s + (1 - done) * usual_s)

    def finish(self) -> None:
        """Remember this machine's rates: call once, when all segments are decoded."""
        self._change_stage(None, self._now)
        usual = self._ratios[1:] or self._ratios
        if not sum(usual) > 0:
            return
        rate = self._rates.flops_per_s * len(usual) / sum(usual)
        learned = Rates(
            flops_per_s=rate,
            vae_flops_per_s=self._decode_rate(),
            prepare_s=self._rates.prepare_s if self._prepared_s is None else self._prepared_s,
            write_s=self._rates.write_s,
            first_step_factor=self._first_factor(usual),
            jobs=self._rates.jobs + 1,
        )
        self._remember(learned)

    def _first_factor(self, usual: Sequence[float]) -> float:
        """A resumed attempt's first step says nothing of a whole job's; neither does a single step."""
        if len(self._ratios) < 2:
            return self._rates.first_step_factor
        # The first ratio was taken against a prediction that held the known factor already.
        return self._ratios[0] * self._rates.first_step_factor * len(usual) / sum(usual)

    def _more_segments(self, segment: int) -> bool:
        return segment + 1 < len(self._steps)

    def _decode_rate(self) -> float:
        flops = sum(work for work, _ in self._decode_spent)
        seconds = sum(spent for _, spent in self._decode_spent)
        return flops / seconds if flops and seconds > 0 else self._rates.vae_flops_per_s

    def _change_stage(self, stage: Stage | None, now: float) -> None:
        if self._stage is not None:
            spent = now - self._stage_began
            if self._stage is Stage.DECODE and self._segment < len(self._decode):
                self._decode_spent.append((self._decode[self._segment], spent))
        if stage is Stage.DENOISE:
            if self._prepared_s is None:
                self._prepared_s = now
            self._edge, self._step = now, -1
        self._stage, self._stage_began = stage, now

    def _take_step(self, progress: Progress, now: float) -> None:
        if progress.segment != self._segment or self._step < 0:
            # The report before a segment's first step, or of a resumed one, starts the watch.
            self._step, self._edge = progress.step, now
            return
        done = progress.step - self._step
        if done <= 0:
            return
        segment = min(progress.segment, len(self._steps) - 1)
        predicted = sum(self._steps[segment][self._step : progress.step]) / self._rates.flops_per_s
        if not self._ratios:
            predicted *= self._rates.first_step_factor
        if predicted > 0:
            self._ratios.append((now - self._edge) / predicted)
        self._step, self._edge = progress.step, now

"""Follows one attempt at a job through its reports: every stage by its own rate; has no clock but the attempt's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.front.plan import Plan
from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.model import Rates, decode_flops, step_flops
from skyreels_tui.queue.pace import Pace, believed

AGREE = 0.12
"""Steps whose speeds differ by less belong to one run."""
DECAY = 0.6
"""Weight of a step against the one after it, within a run."""
UNSEEN_DECODE_DOUBT = 1.6
"""Doubt about a decode of which only the steps before it are known."""
ENOUGH_PIECES = 8
"""Pieces of a decode after which it is known."""
OWN_WAY, ALIKE = 1.25, 1.6
"""Steps off by less than the first say nothing about a decode; off by more than the second it is off as they are."""
ENOUGH_READ = 0.05
"""Share of all weights after which the speed of reading them is known."""
TOLD_S = 10.0
"""Why the time left grew stands at least this long."""


def current_scale(ratios: Sequence[float]) -> float:
    """Seconds per predicted second now, from those of the finished steps, oldest first.

    The newest run of steps that agree with each other decides, later steps more. One step that disagrees a
    little may be a change or an accident, so it is averaged with those before; one that disagrees much is believed.
    A second step always outweighs the first, which pays for warming up.
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
        return believed(scale, sum(before) / len(before))
    return scale


def clear_change(scale: float) -> float:
    """The scale where it is far from 1, else 1, with a smooth way between."""
    if not scale > 0:
        return 1.0
    return math.pow(scale, min(1.0, max(0.0, math.log(max(scale, 1 / scale) / OWN_WAY) / math.log(ALIKE / OWN_WAY))))


class LoadClock:
    """The reading of weights, network after network, by bytes where they are told."""

    def __init__(self, expected_bytes: int) -> None:
        self._expected = expected_bytes
        self._read = self._done = self._total = 0
        self._began = self._spent_s = self._network_s = 0.0
        self._over = False

    def enter(self, now: float) -> None:
        """The stage begins, or goes on with another network."""
        self._read, self._spent_s = self._read + self._done, self._spent_s + self._network_s
        self._done, self._total, self._network_s, self._began = 0, 0, 0.0, now

    def take(self, progress: Progress, now: float, *, last: bool = False) -> None:
        """Take a report of the stage; `last`: what is read now are the networks of the steps."""
        if progress.bytes_done < self._done:
            self.enter(now)
        self._done, self._total = progress.bytes_done, progress.bytes_total
        # Networks that are there already, and the choice of their kernels, are told without bytes.
        self._over = last and not progress.bytes_total
        self._network_s = now - self._began

    def left_s(self, usual_s: float) -> tuple[float, float]:
        """Seconds left of the network that is read, and of those after it."""
        if self._over:
            return 0.0, 0.0
        read, spent = self._read + self._done, self._spent_s + self._network_s
        here = self._total - self._done
        after = max(0, self._expected - read - here)
        share_s = usual_s / self._expected if self._expected else 0.0
        if read and spent > 0:
            # The first bytes wait for the disk's first turn: their speed is not yet that of the rest.
            weight = min(1.0, read / (ENOUGH_READ * self._expected)) if self._expected else 1.0
            share_s = spent / read * weight + share_s * (1 - weight)
            return here * share_s, after * share_s
        return (here * share_s, after * share_s) if self._total else (0.0, max(0.0, usual_s - spent))


class JobEta:
    """One attempt at one job. Not thread-safe."""

    def __init__(
        self,
        plan: Plan,
        rates: Rates,
        remember: Callable[[Rates], None] = lambda rates: None,
        goes_on_at: tuple[int, int] = (0, 0),
    ) -> None:
        """`goes_on_at` is the (segment, step) of a resumed job."""
        self._rates, self._remember = rates, remember
        self._steps, self._decode = step_flops(plan), decode_flops(plan)
        self._now = self._edge = self._stage_began = 0.0
        self._stage: Stage | None = None
        self._segment = 0
        self._step = -1
        self._ratios: list[float] = []
        """Measured seconds a predicted one, of the finished steps."""
        self._decodes: list[tuple[float, float]] = []
        """(measured seconds, seconds predicted at the speed that the steps had then) of the finished decodes."""
        self._decode_usual_s = 0.0
        self._first_piece = (0, 0.0)
        """Pieces at the first report of the running decode, and its time."""
        self._spent: dict[Stage, float] = {}
        self._conditions: dict[int, float] = {}
        self._load = LoadClock(plan.weights_bytes + plan.text_bytes)
        self._reached = goes_on_at
        self._said = Said()

    def update(self, progress: Progress, elapsed_s: float) -> Pace:
        """Take a report, `elapsed_s` after the attempt began, and return how the job goes."""
        now = self._now = elapsed_s
        segment = min(progress.segment, len(self._steps) - 1)
        if progress.stage is not self._stage or segment != self._segment:
            self._change_stage(progress.stage, segment, now)
        match progress.stage:
            case Stage.DENOISE:
                self._take_step(progress.step, now)
                self._reached = (segment, progress.step)
            case Stage.LOAD:
                self._load.take(progress, now, last=Stage.CONDITION in self._spent)
                self._edge = now
            case Stage.DECODE if progress.step != self._step:
                if self._step <= 0:
                    self._first_piece = (progress.step, now)
                self._step, self._edge = progress.step, now
        return self._said.say(self._pace(progress, now), now)

    def _pace(self, progress: Progress, now: float) -> Pace:
        left = dict.fromkeys(Stage, 0.0)
        stage, into = progress.stage, now - self._edge
        prepares = stage in (Stage.LOAD, Stage.TEXT, Stage.CONDITION)
        segment, step = self._segment, progress.step
        if prepares:
            # What comes before the steps knows nothing of those that are stored.
            segment, step = max((self._segment, 0), self._reached)
            segment = min(segment, len(self._steps) - 1)
        network_s, later_load_s = self._load.left_s(self._rates.load_s)
        if prepares and not self._ratios:
            left[Stage.LOAD] = network_s + later_load_s
            left[Stage.TEXT] = max(0.0, self._rates.text_s - self._spent.get(Stage.TEXT, 0.0))
            left[Stage.TEXT] = 0.0 if Stage.CONDITION in self._spent or stage is Stage.CONDITION else left[Stage.TEXT]
        conditions = len(self._steps) - 1 - segment + (prepares and segment not in self._conditions)
        left[Stage.CONDITION] = conditions * self._condition_s()
        steps = [flops for steps in self._steps[segment + 1 :] for flops in steps]
        if prepares or stage is Stage.DENOISE:
            steps = [*self._steps[segment][step:], *steps]
        scale = self._scale()
        seconds = [flops / self._rates.flops_per_s * scale for flops in steps]
        if seconds and not self._ratios:
            seconds[0] *= self._rates.first_step_factor
        left[Stage.DENOISE] = sum(seconds)
        left[Stage.DECODE] = sum(map(self._decode_s, range(segment + 1, len(self._decode))))
        if prepares or stage is Stage.DENOISE:
            left[Stage.DECODE] += self._decode_s(segment)
        left[Stage.WRITE] = self._rates.write_s * self._drift()

        unit_s, same, measured = left[stage], 0.0, bool(self._decodes)
        if stage is Stage.LOAD and network_s > 0:
            unit_s, same = network_s, later_load_s
        elif stage is Stage.LOAD:
            unit_s = later_load_s if not self._ratios else 0.0
        elif stage is Stage.CONDITION:
            unit_s = self._condition_s()
        elif stage is Stage.DENOISE:
            unit_s = seconds[0] if progress.step < len(self._steps[segment]) else 0.0
            measured = len(self._ratios) > 1
            same = left[Stage.DENOISE] - unit_s + left[Stage.DECODE]
        elif stage is Stage.DECODE:
            whole_s = self._decode_whole_s(progress, segment)
            unit_s, rest_s = _unit_and_rest(progress, whole_s)
            # Those of later segments go as this one goes.
            usual_s = self._decode_s(segment)
            left[Stage.DECODE] *= whole_s / usual_s if usual_s > 0 else 1.0
            same = rest_s - unit_s + left[Stage.DECODE]
            left[Stage.DECODE] += rest_s
        whole = sum(left.values())
        if stage in (Stage.TEXT, Stage.CONDITION):
            left[stage] = max(0.0, left[stage] - into)
        return Pace(
            unit_s=unit_s,
            into_s=into,
            same_s=same,
            other_s=max(0.0, whole - unit_s - same) if stage is not Stage.WRITE else 0.0,
            measured=measured,
            doubt=max(self._rates.doubt, 1.0 if self._is_known(Stage.DECODE) else UNSEEN_DECODE_DOUBT),
            doubtful_s=sum(seconds * (self._doubt(name) - 1) for name, seconds in left.items()),
            stages=tuple((name.value, seconds) for name, seconds in left.items()),
        )

    def _scale(self) -> float:
        return current_scale(self._ratios) if self._ratios else 1.0

    def _decode_scale(self) -> float:
        """How far off an unseen decode is taken to be, from the steps: a machine that is slow is slow at both."""
        return clear_change(self._scale())

    def _drift(self) -> float:
        """How much slower the machine has become in the course of this job: other work on it slows writing too."""
        first = self._ratios[1] if len(self._ratios) > 1 else 0.0
        return clear_change(self._scale() / first) if first > 0 else 1.0

    def _condition_s(self) -> float:
        later = [seconds for segment, seconds in self._conditions.items() if segment > 0]
        known = later or list(self._conditions.values())
        return sum(known) / len(known) if known else self._rates.condition_s

    def _decode_s(self, segment: int) -> float:
        """A segment's whole decode: the machine's rate, as much slower as the steps are, as earlier ones were."""
        usual_s = self._decode[segment] / self._rates.vae_flops_per_s * self._decode_scale()
        ratios = [spent / usual for spent, usual in self._decodes if usual > 0]
        # One that ran while the machine changed is off twice: by what the next steps will tell, and by itself.
        ratios = [ratio for ratio in ratios if ratios[0] / OWN_WAY <= ratio <= ratios[0] * OWN_WAY]
        return usual_s * ratios[-1] if ratios else usual_s

    def _decode_whole_s(self, progress: Progress, segment: int) -> float:
        """Seconds of the whole running decode, by its own speed the more, the further it is."""
        usual_s = self._decode_s(segment)
        if not progress.num_steps or not progress.step:
            return usual_s
        done = min(1.0, progress.step / progress.num_steps)
        # The first piece is a single frame, and may wait for the VAE's weights.
        pieces = progress.step - self._first_piece[0]
        spent_s = self._edge - self._first_piece[1]
        own_s = spent_s / pieces * progress.num_steps if pieces else (self._edge - self._stage_began) / done
        weight = max(done, min(1.0, progress.step / ENOUGH_PIECES))
        return weight * own_s + (1 - weight) * usual_s

    def _is_known(self, stage: Stage) -> bool:
        """Whether units of a stage have been measured in this job, or whole jobs before it."""
        if self._rates.doubt <= 1:
            return True
        if stage is Stage.DENOISE:
            return bool(self._ratios)
        pieces = self._stage is Stage.DECODE and self._step >= ENOUGH_PIECES / 2
        return bool(self._decodes) or pieces if stage is Stage.DECODE else True

    def _doubt(self, stage: Stage) -> float:
        """How far off the time of a stage may be."""
        if self._is_known(stage):
            return 1.0
        return UNSEEN_DECODE_DOUBT if stage is Stage.DECODE and self._ratios else self._rates.doubt

    def finish(self, total_s: float | None = None) -> None:
        """Remember this machine's rates: call once, when the job is done, `total_s` after the attempt began."""
        if self._stage is Stage.WRITE and total_s is not None:
            write_s = max(0.0, total_s - self._stage_began)
        else:
            write_s = self._rates.write_s
        self._change_stage(None, self._segment, self._now)
        usual = self._ratios[1:] or self._ratios
        if not sum(usual) > 0:
            return
        work = sum(self._decode)
        decode_s = sum(self._decode_s(segment) for segment in range(len(self._decode)))
        self._remember(
            Rates(
                flops_per_s=self._rates.flops_per_s * len(usual) / sum(usual),
                vae_flops_per_s=work / decode_s if work > 0 and decode_s > 0 else self._rates.vae_flops_per_s,
                load_s=self._spent.get(Stage.LOAD, self._rates.load_s),
                text_s=self._spent.get(Stage.TEXT, self._rates.text_s),
                condition_s=self._condition_s(),
                write_s=write_s,
                first_step_factor=self._first_factor(usual),
                jobs=self._rates.jobs + 1,
            )
        )

    def _first_factor(self, usual: Sequence[float]) -> float:
        """A resumed attempt's first step says nothing of a whole job's; neither does a single step."""
        if len(self._ratios) < 2:
            return self._rates.first_step_factor
        # The first ratio was taken against a prediction that held the known factor already.
        return self._ratios[0] * self._rates.first_step_factor * len(usual) / sum(usual)

    def _change_stage(self, stage: Stage | None, segment: int, now: float) -> None:
        if self._stage is not None:
            spent = now - self._stage_began
            self._spent[self._stage] = self._spent.get(self._stage, 0.0) + spent
            if self._stage is Stage.DECODE:
                self._decodes.append((spent, self._decode_usual_s))
            elif self._stage is Stage.CONDITION:
                self._conditions[self._segment] = self._conditions.get(self._segment, 0.0) + spent
        if stage is Stage.LOAD:
            self._load.enter(now)
        elif stage is Stage.DECODE:
            self._decode_usual_s = self._decode[segment] / self._rates.vae_flops_per_s * self._decode_scale()
        self._stage, self._segment, self._step = stage, segment, -1
        self._stage_began = self._edge = now

    def _take_step(self, step: int, now: float) -> None:
        if self._step < 0:
            # The report before a segment's first step, or of a resumed one, starts the watch.
            self._step, self._edge = step, now
            return
        if step <= self._step:
            return
        predicted = sum(self._steps[self._segment][self._step : step]) / self._rates.flops_per_s
        if not self._ratios:
            predicted *= self._rates.first_step_factor
        if predicted > 0:
            self._ratios.append((now - self._edge) / predicted)
        self._step, self._edge = step, now


def _unit_and_rest(progress: Progress, whole_s: float) -> tuple[float, float]:
    """Seconds of the running piece of a decode, and of it and all pieces after it."""
    if not progress.num_steps:
        return whole_s, whole_s
    rest_s = (1 - min(1.0, progress.step / progress.num_steps)) * whole_s
    return min(rest_s, whole_s / progress.num_steps), rest_s


class Said:
    """What the screen has said of the time left: one that grows by more than a tenth is not shown without a word."""

    def __init__(self) -> None:
        self._least_s = math.inf
        self._last: Pace | None = None
        self._heard_s = 0.0
        self._told_s: float | None = None

    def say(self, pace: Pace, now: float) -> Pace:
        """Add the least time left so far; begin again once the word has stood long enough."""
        if self._last is not None:
            since = now - self._heard_s
            slower = self._last.is_slower(since)
            self._least_s = self._last.shown_least_s(since)
            if slower and self._told_s is None:
                self._told_s = now
            if not slower:
                self._told_s = None
            elif self._told_s is not None and now - self._told_s >= TOLD_S:
                self._least_s, self._told_s = self._last.left_s(since), None
        pace = replace(pace, least_s=self._least_s)
        if self._told_s is None and pace.is_slower():
            self._told_s = now
        self._last, self._heard_s = pace, now
        return pace

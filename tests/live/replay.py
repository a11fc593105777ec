"""Replays recorded jobs at the speed of real machines, and notes what the clock shows; `python -m tests.live.replay`.

`recorded/jobs.json` holds every report of a job of each task, cold and warm, made with the demo's networks and the
steps and segments of a real job (`python -m tests.live.record_jobs`); each stage is stretched to what it takes there.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.front.plan import Plan, Segment
from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.words.times import KNOWN

RECORDED = json.loads((Path(__file__).parent / "recorded" / "jobs.json").read_text("utf-8"))
TASKS = tuple(RECORDED)
TICKS = 1000
NOISE = 0.25
"""Kept part of what steps and pieces of a fraction of a second differ by on a shared machine; real ones differ less."""


UNITS = (Stage.DENOISE, Stage.DECODE)


@dataclass(frozen=True)
class Machine:
    """Seconds of real jobs on one machine: measured, or scaled from what was."""

    gpu: str
    token_s: float
    """Of one denoising step a token and 1e-5 tokens of the call, attention included."""
    decode_s: float
    """A latent frame of 544x960."""
    load_s: float
    other_s: float
    """Text, and each condition."""
    write_s: float = 2.0

    def step_s(self, tokens: int) -> float:
        """One step of a call."""
        return self.token_s * tokens * (0.29 + 0.71 * tokens / 71_400)


FAST = Machine("NVIDIA H200", 12.04 / 71_400, 5.41 / 31, 45, 0.6)
SLOW = Machine("NVIDIA GB10", 101 / 71_400, 45.0 / 31, 60, 4)
UNNAMED_FAST = Machine("A card of tomorrow", 12.04 / 71_400, 5.41 / 31, 45, 0.6)
UNNAMED_SLOW = Machine("A card of yesterday", 1010 / 71_400, 450 / 31, 90, 20)
MACHINES = {"fast": FAST, "slow": SLOW, "unnamed fast": UNNAMED_FAST, "unnamed slow": UNNAMED_SLOW}
LOADS: dict[str, Callable[[float], float]] = {
    "steady": lambda _: 1.0,
    "doubles": lambda done: 2.0 if done >= 0.5 else 1.0,
    "halves": lambda done: 0.5 if done >= 0.5 else 1.0,
}
"""Seconds a usual second, by the share of the steps that is done."""


@dataclass(frozen=True)
class Tick:
    """What stands on the screen at one moment."""

    now: float
    truth_s: float
    left_s: float
    spread: float
    slower: bool
    changed_s: float
    """When the load had changed for a whole step; infinity before."""

    @property
    def error(self) -> float:
        """Of the time left, as a share of the true one."""
        return abs(self.left_s - self.truth_s) / self.truth_s


def plan_of(task: str) -> Plan:
    """The real job's plan."""
    values = dict(RECORDED[task]["plan"])
    segments = tuple(Segment(**segment) for segment in values.pop("segments"))
    return Plan(segments=segments, **values)


def reports(task: str, run: str, machine: Machine, load: Callable[[float], float]) -> Iterator[tuple[float, Progress]]:
    """(seconds, report) of the whole job; the last is its end, without a stage of its own."""
    plan = plan_of(task)
    networks = sorted({row[7] for row in _rows(task, run)} - {0})
    # The demo's networks are small: the text encoder's bytes and all others' become those of the real ones.
    texts = networks[:-1][:1]
    others = sum(networks) - sum(texts)
    real = {total: plan.text_bytes if total in texts else plan.weights_bytes * total // others for total in networks}
    recorded = [(row[0], _progress(row, real)) for row in _rows(task, run)]
    recorded = list(_full_size(recorded))
    ends = [*(at for at, _ in recorded[1:]), recorded[-1][0] + 0.1]
    spent: dict[tuple[Stage, int], float] = {}
    for (at, progress), end in zip(recorded, ends, strict=True):
        key = _part(progress)
        spent[key] = spent.get(key, 0.0) + end - at
    counts = {key: sum(1 for _, progress in recorded if _part(progress) == key) for key in spent}
    units = {key: spent[key] / count if count > 2 and key[0] in UNITS else 0.0 for key, count in counts.items()}
    steps = sum(segment.num_steps for segment in plan.segments)
    now, made = 0.0, 0
    for (at, progress), end in zip(recorded, ends, strict=True):
        yield now, progress
        part = _part(progress)
        whole = _real_s(part, progress, plan, machine, warm=run == "warm")
        share = (end - at) / spent[part] if spent[part] > 0 else 1 / counts[part]
        usual = units[part]
        if usual and (end - at) > usual / 2:
            share = (usual + (end - at - usual) * NOISE) / spent[part]
        now += whole * share * load(made / steps)
        if progress.stage is Stage.DENOISE and progress.step < progress.num_steps:
            made += 1
    yield now, recorded[-1][1]


def _rows(task: str, run: str) -> list[list[Any]]:
    """The recorded reports; a warm job of a task that was only recorded cold reads no weights."""
    runs = RECORDED[task]["runs"]
    if run in runs:
        return list(runs[run]["reports"])
    return [row for row in runs["cold"]["reports"] if not row[7]]


def _full_size(recorded: list[tuple[float, Progress]]) -> Iterator[tuple[float, Progress]]:
    """Give loading and the moment after a last step the share they have with full-size networks.

    There reading goes by bytes, whereas the demo's networks take longer to build than to read, and the work between
    a last step and the decode is nothing beside the steps.
    """
    now = 0.0
    for (at, progress), (until, following) in itertools.pairwise([*recorded, recorded[-1]]):
        yield now, progress
        if progress.stage is Stage.LOAD and progress.bytes_total:
            goes_on = following.bytes_total == progress.bytes_total and following.bytes_done > progress.bytes_done
            now += ((following.bytes_done - progress.bytes_done) if goes_on else progress.bytes_total * 0.02) / 1e9
        elif progress.stage is Stage.DENOISE and progress.step == progress.num_steps:
            now += (until - at) * 0.05
        else:
            now += until - at


def _part(progress: Progress) -> tuple[Stage, int]:
    """What is stretched as one: a stage of one segment; a finished denoising belongs to its own tail."""
    if progress.stage in (Stage.LOAD, Stage.TEXT, Stage.WRITE):
        return progress.stage, 0
    return progress.stage, progress.segment


def _real_s(part: tuple[Stage, int], progress: Progress, plan: Plan, machine: Machine, *, warm: bool) -> float:
    stage, index = part
    segment = plan.segments[min(index, len(plan.segments) - 1)]
    match stage:
        case Stage.LOAD:
            return 0.5 if warm else machine.load_s
        case Stage.DENOISE:
            return machine.step_s(segment.num_tokens) * segment.num_steps * segment.calls_per_step
        case Stage.DECODE:
            return machine.decode_s * segment.latent_frames * plan.height * plan.width / (544 * 960)
        case Stage.WRITE:
            return machine.write_s
        case _:
            return machine.other_s


def _progress(row: list[Any], real: dict[int, int]) -> Progress:
    _, stage, step, num_steps, segment, num_segments, done, total = row
    bytes_total = real.get(total, 0)
    bytes_done = done * bytes_total // total if total else 0
    return Progress(
        Stage(stage), step, num_steps, segment, num_segments, bytes_done=bytes_done, bytes_total=bytes_total
    )


def replay(task: str, run: str, machine: Machine, load: str, book: EtaBook) -> list[Tick]:
    """What the screen shows at every thousandth of the job; the book learns from it."""
    plan = plan_of(task)
    told = list(reports(task, run, machine, LOADS[load]))
    end = told[-1][0]
    eta = book.follow(task, plan)
    pace, heard, ahead, changed_s = None, 0.0, 0, float("inf")
    half, made, ticks = sum(segment.num_steps for segment in plan.segments) / 2, 0, []
    for number in range(1, TICKS):
        now = end * number / TICKS
        while ahead < len(told) - 1 and told[ahead][0] <= now:
            heard, progress = told[ahead]
            pace, ahead = eta.update(progress, heard), ahead + 1
            if progress.stage is Stage.DENOISE and progress.step:
                made += 1
                if load != "steady" and made > half and changed_s > now:
                    changed_s = heard
        if pace is None:
            continue
        since = now - heard
        ticks.append(Tick(now, end - now, pace.left_s(since), pace.spread(since), pace.is_slower(since), changed_s))
    for heard, progress in told[ahead:-1]:
        eta.update(progress, heard)
    eta.finish(end)
    return ticks


def unsaid_rise(ticks: list[Tick]) -> float:
    """The largest growth of the time left, as a share, that no word stood beside."""
    least, worst = float("inf"), 0.0
    for tick in ticks:
        if tick.slower:
            least = tick.left_s
            continue
        worst = max(worst, tick.left_s / least - 1 if least > 0 else 0.0)
        least = min(least, tick.left_s)
    return worst


def main() -> None:
    """Print the errors at a third, half and two thirds of every job; `~`: shown as a range or not yet."""
    for (name, machine), task, run, load in itertools.product(MACHINES.items(), TASKS, ("cold", "warm"), LOADS):
        with tempfile.TemporaryDirectory() as folder:
            ticks = replay(task, run, machine, load, EtaBook(Path(folder) / "rates.json", lambda gpu=machine.gpu: gpu))
        at = [ticks[int(len(ticks) * share)] for share in (1 / 3, 1 / 2, 2 / 3)]
        since = max(ticks[-1].now / 3, ticks[-1].changed_s if load != "steady" else 0.0)
        later = [tick.error for tick in ticks if tick.now >= since and tick.truth_s > ticks[-1].now / 20]
        words = "  ".join(f"{tick.error:5.0%}{'~' if tick.spread >= KNOWN else ' '}" for tick in at)
        worst, rise = max(later, default=0.0), unsaid_rise(ticks)
        sys.stdout.write(f"{name:13} {task:25} {run} {load:8} {words}  later {worst:4.0%}  rise {rise:4.0%}\n")


if __name__ == "__main__":
    main()

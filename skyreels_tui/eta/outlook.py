"""What lies ahead of a job that is asked for: its turn in the queue, its end, and whether it fits; knows no screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile, zip_longest
from pathlib import Path

from pipelines.front.admission import ComputeDevice, Decision, Memory, admit
from pipelines.front.errors import InvalidRequest
from pipelines.front.gang import ranks_of
from pipelines.front.language import tr, trn
from pipelines.front.memory import requested_plan
from pipelines.front.peaks import PeakBook
from pipelines.front.plan import Plan
from pipelines.front.request import Request
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.eta.gangs import free_at_s, members
from skyreels_tui.eta.model import Estimate
from skyreels_tui.queue.engine.limits.space import RESERVE_BYTES, Shortage
from skyreels_tui.queue.engine.muster import gone_words
from skyreels_tui.settings.hours import Hours, work_ends
from skyreels_tui.words.sizes import count, size
from skyreels_tui.words.times import clock, words


@dataclass(frozen=True, slots=True)
class Machine:
    """What an estimate is held against; None where nothing is known."""

    gpus: int | None = None
    workers: int | None = None
    """How many can work on one job together where a job has one of several; None where this process runs it."""
    more_may_join: bool = False
    """They are of a cluster, which other machines may join."""
    memory: Memory | None = None
    """Of the pool that networks live in."""
    discrete: bool = False
    """That pool is a GPU's own."""
    floor_bytes: int = 0
    """Memory that must stay available."""
    peaks: PeakBook | None = None
    """What jobs took here beside what was predicted."""
    result_dir: Path = Path()
    free_disk_bytes: int | None = None
    """Where results go."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A job's place among those that run by themselves."""

    jobs: int = 0
    """Before it."""
    seconds: float | None = 0.0
    """Until they are done; None while a part of that is not known."""
    needs_bytes: int = 0
    """Disk that they will take."""
    starts: bool = True
    """Nothing keeps the queue from running."""


def turn_of(queue: QueueForecast | None, job_id: int | None = None, *, gpus: str = "1", starts: bool = True) -> Turn:
    """The turn of a waiting job, or of one that would be added now; without a forecast its time is not known.

    It comes when all workers that it takes are free, as many as `gpus` says.
    """
    if queue is None:
        return Turn(seconds=None, starts=starts)
    before = [
        (spent, queue.job_sizes.get(one, 1))
        for one, spent in takewhile(lambda waiting: waiting[0] != job_id, queue.job_seconds)
    ]
    running = list(zip_longest(queue.running_seconds, queue.running_sizes, fillvalue=1))
    return Turn(
        len(before) + queue.unknown + len(queue.running_seconds),
        None if queue.unknown else free_at_s(running, before, queue.workers)[members(gpus, queue.workers) - 1],
        queue.needs_bytes if job_id is None else 0,
        starts,
    )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a job takes, and when it would be done."""

    plan: Plan
    takes: Estimate
    turn: Turn
    ends: datetime | None
    """Local; None where nobody can say."""
    trouble: str = ""
    """Why it cannot run, the first cause alone; '' when it can."""
    needs_bytes: int = 0
    """Memory at the worst moment, as the queue will reckon."""
    notice: str = ""
    """What the queue will do to make it fit."""
    too_slow: bool = False
    """There is no GPU for it, so its time says nothing."""


def look_ahead(
    request: Request, plan: Plan, takes: Estimate, turn: Turn, machine: Machine, now: datetime, hours: Hours | None
) -> Outlook:
    """Look ahead from `now`, local; `hours` are those in which the queue may run."""
    no_gpu = _gpu_trouble(request, machine)
    decision = None if no_gpu else _admitted(request, plan, machine)
    trouble = no_gpu or _memory_trouble(decision, turn) or _disk_trouble(plan, turn, machine)
    ends = None
    if not trouble and turn.starts and turn.seconds is not None:
        ends = work_ends(now, turn.seconds + takes.total_s, hours)
    return Outlook(
        plan,
        takes,
        turn,
        ends,
        trouble,
        plan.peak_bytes if decision is None else decision.needed_bytes,
        decision.words if decision is not None and decision.plan is not None else "",
        too_slow=bool(no_gpu),
    )


def _gpu_trouble(request: Request, machine: Machine) -> str:
    """Demo models run anywhere; real ones need a GPU to end within days, and all need as many as are asked for."""
    if request.profile != "demo" and machine.gpus == 0:
        if machine.more_may_join:
            return tr("no GPU for it in the cluster: the demo models run without one")
        return tr("no GPU for it on this machine: the demo models run without one")
    # Ranks on a CPU are processes, of which there are as many as are wanted.
    there = machine.workers or machine.gpus or None
    try:
        size = ranks_of(request.gpus, None if machine.more_may_join else there)
    except InvalidRequest as error:
        return error.problems[0].message
    return gone_words(size, there) if there is not None and size > there else ""


def _admitted(request: Request, plan: Plan, machine: Machine) -> Decision | None:
    """What the queue would decide now; None where nobody knows the memory, or another reason stands against it."""
    if machine.memory is None:
        return None
    gpus = machine.gpus or None
    device = ComputeDevice(on_cpu=gpus is None, discrete=machine.discrete)
    load = requested_plan(request, discrete=machine.discrete, gpus=gpus)
    correction = machine.peaks.correction_of(request, "cuda" if gpus else "cpu") if machine.peaks is not None else 1.0
    return admit(plan, load, machine.memory, machine.floor_bytes, device, correction=correction)


def _memory_trouble(decision: Decision | None, turn: Turn) -> str:
    """What the jobs before it hold is free again by then, so that only what no idle machine holds stops it."""
    if decision is None or decision.plan is not None or (turn.jobs and not decision.never):
        return ""
    return decision.words


def _disk_trouble(plan: Plan, turn: Turn, machine: Machine) -> str:
    needed = plan.output_bytes + plan.work_bytes + RESERVE_BYTES
    if machine.free_disk_bytes is None or needed + turn.needs_bytes <= machine.free_disk_bytes:
        return ""
    short = str(Shortage(machine.result_dir, needed, machine.free_disk_bytes))
    if needed <= machine.free_disk_bytes:
        return tr("{trouble}, of which jobs before it take {size}", trouble=short, size=size(turn.needs_bytes))
    return short


def made_facts(plan: Plan) -> list[str]:
    """What will be made: facts that each stay together on a line."""
    length = plan.num_frames / plan.fps
    made = [f"{plan.width}x{plan.height}"]
    made.append(tr("{count} frames ({seconds:.1f} s)", count=count(plan.num_frames), seconds=length))
    made += [plan.parts] if plan.parts else []
    made += plan.used
    made += [tr("LoRA {names}", names=", ".join(plan.loras))] if plan.loras else []
    steps = sum(segment.num_steps for segment in plan.segments)
    return [*made, trn("{count} step", "{count} steps", steps)]


def takes_facts(seen: Outlook, machine: Machine, now: datetime) -> list[str]:
    """What that takes and when it is done; what stops it comes first, and no end with it."""
    plan, seconds = seen.plan, seen.takes.total_s
    facts = [seen.trouble] if seen.trouble else []
    if not seen.too_slow:
        facts.append(words(seconds) if seen.takes.learned else tr("about {duration}", duration=words(seconds)))
    if not seen.trouble:
        facts.append(end_words(seen, now))
    pool = machine.memory
    available = None if pool is None else pool.available_bytes + pool.reclaimable_bytes
    facts.append(_of(tr("memory {size}", size=size(seen.needs_bytes)), available))
    facts.append(_of(tr("disk {size}", size=size(plan.output_bytes + plan.work_bytes)), machine.free_disk_bytes))
    return facts


def end_words(seen: Outlook, now: datetime) -> str:
    """`done 21:40`, `done about 21:40, after 3 jobs`, or why nobody can say."""
    turn = seen.turn
    if not turn.starts:
        return tr("no end can be told: the queue does not run")
    if seen.ends is None:
        return tr("no end can be told: a job before it is not known")
    end = clock(seen.ends, now)
    if not turn.jobs:
        return tr("done {time}", time=end) if seen.takes.learned else tr("done about {time}", time=end)
    return trn("done about {time}, after {count} job", "done about {time}, after {count} jobs", turn.jobs, time=end)


def _of(needed: str, available: int | None) -> str:
    return needed if available is None else tr("{needed} of {available}", needed=needed, available=size(available))

"""Adds up what the waiting jobs will take, in seconds and in bytes; plans are made once a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.front.plan import Plan
from skyreels_tui.eta.gangs import members
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.eta.running import RunningTimes
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.requests.planning import known_plan

STANDING = frozenset({JobState.HELD, JobState.INTERRUPTED})
"""States whose jobs run only when a person says so; a blocked job is one of them when its reason does not pass."""

RETRY_READINGS = 60

MakePlans = Callable[[Sequence[Job]], Iterable[Plan | None]]
"""Makes the plan of each job, None for one whose inputs cannot be read; may end early."""


def plans_here(jobs: Sequence[Job]) -> Iterable[Plan | None]:
    """The plans, made in this process."""
    return map(known_plan, jobs)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The job that runs, with what is known of its cost."""

    job: Job
    plan: Plan | None = None
    """None when its inputs cannot be read."""


@dataclass(frozen=True, slots=True)
class QueueForecast:
    """What the unfinished jobs will take."""

    job_seconds: tuple[tuple[int, float], ...] = ()
    """(job id, seconds it will run) of every waiting job whose cost is known."""
    total_seconds: float = 0.0
    """Seconds until the queue is empty, the running job included."""
    needs_bytes: int = 0
    """Disk that results and work folders of the waiting jobs will take."""
    unknown: int = 0
    """Waiting jobs whose inputs could not be read, so that nothing is known."""
    held_seconds: tuple[tuple[int, float], ...] = ()
    """The same of held and interrupted jobs, which run only when a person says so, and of those that wait for a worker
    that could take them: they count in no sum."""
    unreadable: frozenset[int] = frozenset()
    """Ids of waiting and held jobs whose inputs could not be read."""
    running: RunningJob | None = None
    next_plan: Plan | None = None
    """Of the first waiting job; None when there is none or its inputs cannot be read."""
    running_seconds: tuple[float, ...] = ()
    """Seconds until each running job ends."""
    running_sizes: tuple[int, ...] = ()
    """How many workers each running job takes."""
    job_sizes: Mapping[int, int] = field(default_factory=dict)
    """Id of each waiting job that takes several workers at once -> how many."""
    workers: int = 1
    """How many jobs run at the same time."""
    next_kind: str = ""
    """Of the worker that would take a job that is added now; '' is this machine's own."""


WorkerKinds = Sequence[tuple[str, str]]
"""Name and kind of each worker."""


class Forecast:
    """Forecasts a queue; `jobs` lists unfinished jobs, `progress` gives the running jobs' latest reports.

    Planning opens input files, so this belongs on a thread of its own and never on the UI's.
    """

    def __init__(
        self,
        jobs: Callable[[], Sequence[Job]],
        book: EtaBook,
        progress: Callable[[], Sequence[JobProgress]] = lambda: (),
        clock: Callable[[], float] = time.monotonic,
        crew: Callable[[], WorkerKinds] = lambda: (),
        plans: MakePlans = plans_here,
    ) -> None:
        """`crew` are the workers, each of which runs a job at a time; () is one, this machine's own.

        `plans` is asked once a request.
        """
        self._jobs, self._book, self._progress, self._crew = jobs, book, progress, crew
        self._make_plans = plans
        self._times = RunningTimes(clock)
        self._plans: dict[tuple[str, str], Plan | None] = {}
        self._running: RunningJob | None = None
        self._readings = 0

    def warm_up(self) -> str:
        """Have the book ask for the GPU's name on this thread, so that no form waits for a driver; returns it."""
        return self._book.gpu

    def read(self, planned: Callable[[], object] = lambda: None) -> QueueForecast:
        """Return the forecast of this moment; `planned` hears of every job: the first reading of many takes a while."""
        jobs = self._jobs()
        waiting = [job for job in jobs if _waits(job)]
        held = [
            job
            for job in jobs
            if job.state in STANDING or (job.state in (JobState.QUEUED, JobState.BLOCKED) and not _waits(job))
        ]
        running = [job for job in jobs if job.state is JobState.RUNNING]
        self._forget(waiting + held + running)
        self._plan(waiting + held + running, planned)
        plans = {job.id: self._plans.get(_key(job)) for job in waiting + held}
        needs = 0
        for job in waiting:
            plan = plans[job.id]
            needs += plan.output_bytes + plan.work_bytes if plan is not None else 0
        crew = list(self._crew()) or [("", "")]
        kinds = dict(crew)
        free_at, now = dict.fromkeys(kinds, 0.0), None
        lefts, sizes = [], []
        for job in running:
            one = RunningJob(job, self._plans.get(_key(job)))
            now = now or one
            needs += one.plan.output_bytes if one.plan else 0
            lefts.append(self._left_s(one, kinds.get(job.worker, "")))
            sizes.append(members(one.plan.gpus if one.plan else "1", len(crew)))
            _hold(free_at, job.worker, sizes[-1], lefts[-1])
        self._running = now
        seconds = self._seconds(waiting, plans, kinds, free_at)
        return QueueForecast(
            job_seconds=seconds,
            total_seconds=max(free_at.values()),
            needs_bytes=needs,
            unknown=len(waiting) - len(seconds),
            held_seconds=tuple(
                one for job in held for one in self._seconds([job], plans, kinds, dict.fromkeys(kinds, 0.0))
            ),
            unreadable=frozenset(job_id for job_id, plan in plans.items() if plan is None),
            running=now,
            next_plan=plans[waiting[0].id] if waiting else None,
            running_seconds=tuple(lefts),
            running_sizes=tuple(sizes),
            job_sizes=_sizes(waiting, plans, len(crew)),
            workers=len(crew),
            next_kind=kinds[_first_free(free_at)],
        )

    def _seconds(
        self, jobs: Sequence[Job], plans: Mapping[int, Plan | None], kinds: Mapping[str, str], free_at: dict[str, float]
    ) -> tuple[tuple[int, float], ...]:
        """(job id, seconds it will run) of the jobs that have a plan, each on the workers that are free first by then.

        `free_at` says when each worker is free, and is brought up to after these jobs.
        """
        found = []
        for job in jobs:
            plan = plans[job.id]
            if plan is not None:
                team = _first_free_of(free_at, members(plan.gpus, len(free_at)))
                total = self._book.estimate(job.task_type, plan, kinds[team[0]]).total_s
                found.append((job.id, max(0.0, total * (1 - _done(job)))))
                end = max(free_at[worker] for worker in team) + found[-1][1]
                free_at.update(dict.fromkeys(team, end))
        return tuple(found)

    def _left_s(self, running: RunningJob, kind: str) -> float:
        self._times.hear(self._progress())
        left_s = self._times.job_left_s(running.job)
        if left_s is not None:
            return left_s
        if running.plan is None:
            return 0.0
        total = self._book.estimate(running.job.task_type, running.plan, kind).total_s
        return total * (1 - _done(running.job))

    def usual_step_s(self) -> float | None:
        """What a step of the running job usually takes here; None without history."""
        if self._running is None or self._running.plan is None:
            return None
        kind = dict(self._crew()).get(self._running.job.worker, "")
        estimate = self._book.estimate(self._running.job.task_type, self._running.plan, kind)
        return estimate.step_s if estimate.learned else None

    def _plan(self, jobs: Sequence[Job], planned: Callable[[], object]) -> None:
        """Plan the jobs whose requests are new; those that get no answer are asked about again."""
        new = {_key(job): job for job in jobs if _key(job) not in self._plans}
        if new:
            for key, plan in zip(new, self._make_plans(tuple(new.values())), strict=False):
                self._plans[key] = plan
                planned()

    def _forget(self, jobs: Sequence[Job]) -> None:
        """Drop plans of jobs that have gone; now and then also the unreadable: a file may be put back."""
        self._readings += 1
        again = self._readings % RETRY_READINGS == 0
        alive = set(map(_key, jobs))
        self._plans = {key: plan for key, plan in self._plans.items() if key in alive and not (plan is None and again)}


def _first_free(free_at: Mapping[str, float]) -> str:
    """The worker that is free first."""
    return min(free_at, key=lambda worker: free_at[worker])


def _first_free_of(free_at: Mapping[str, float], size: int) -> list[str]:
    """So many workers that are free first."""
    return [_first_free(free_at)] if size == 1 else sorted(free_at, key=lambda worker: free_at[worker])[:size]


def _hold(free_at: dict[str, float], worker: str, size: int, seconds: float) -> None:
    """Let a running job hold the worker that leads, and those beside it that hold nothing yet."""
    leader = worker if worker in free_at else _first_free(free_at)
    others = [name for name in _first_free_of(free_at, len(free_at)) if name != leader] if size > 1 else []
    for name in (leader, *others[: size - 1]):
        free_at[name] += seconds


def _sizes(jobs: Sequence[Job], plans: Mapping[int, Plan | None], workers: int) -> dict[int, int]:
    """Id of each job that takes several workers at once -> how many."""
    found = {}
    for job in jobs if workers > 1 else ():
        plan = plans[job.id]
        if plan is not None and (size := members(plan.gpus, workers)) > 1:
            found[job.id] = size
    return found


def _key(job: Job) -> tuple[str, str]:
    return job.task_type, job.request_json


def _waits(job: Job) -> bool:
    """True for a job that runs without a further key press, and without another machine or model than those there."""
    return (job.state is JobState.QUEUED and job.reason.code is not Code.WAITS_FOR_WORKER) or (
        job.state is JobState.BLOCKED and job.reason.code in (Code.NONE, Code.WAITS_FOR_JOB)
    )


def _done(job: Job) -> float:
    """Share of the steps that an interrupted job has stored."""
    if job.state is not JobState.INTERRUPTED or not job.num_steps:
        return 0.0
    segments = max(1, job.num_segments)
    return min(1.0, (job.segment + job.step / job.num_steps) / segments)

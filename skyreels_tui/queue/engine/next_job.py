"""Which job a worker takes next: whose turn it is, who works on it together, whether disk and memory have room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.limits.full_disks import FullDisks
from skyreels_tui.queue.engine.limits.space import Need, Shortage, shortage
from skyreels_tui.queue.engine.muster import Muster, gone_words, missing_words
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.engine.stance import Stance
from skyreels_tui.queue.engine.workforce import THIS_PROCESS, CannotHere, Worker, WorkerLost
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.store import Store
from skyreels_tui.words.sizes import size

_ELSEWHERE_S = 30.0
"""A job that a worker cannot run is looked at again this much later: a checkpoint may have come."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A job that may be claimed now."""

    job: Job
    team: tuple[Worker, ...]
    """Who works on it together, the one that leads first; () for this worker alone."""


class NextJob:
    """Of one runner; used on its thread. What keeps a job waiting is shown by the stance and stands in the row."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        parts: RunnerParts,
        *,
        worker: Worker,
        muster: Muster,
        stance: Stance,
        full_disks: FullDisks,
        only: Sequence[int] | None,
        warm_up: Callable[[], bool],
        look_again: Callable[[], None],
    ) -> None:
        """`warm_up` imports what jobs need, False when nothing may start after it; `only` limits it to these ids.

        `look_again` asks for another look at once: the next job may be another's.
        """
        self._store, self._executor, self._parts, self._only = store, executor, parts, only
        self._worker, self._muster, self._stance, self._full_disks = worker, muster, stance, full_disks
        self._warm_up, self._look_again = warm_up, look_again
        self._not_here: dict[int, tuple[float, str]] = {}
        """Job -> until when this worker leaves it to others, and why, in words."""

    def find(self, warm_task: str) -> Chosen | None:
        """The next job, if anything may start; `warm_task` is the one whose model is loaded.

        A worker that is kept for a gang stays kept. Raises QueueTrouble, QueueError or OSError.
        """
        if not self._may_start():
            return None
        candidate = self._candidate(warm_task)
        if candidate is None:
            return None
        team = self._team(candidate)
        if team is None:
            return None
        if not self._has_room(candidate):
            self._muster.part(self._worker)
            return None
        return Chosen(candidate, team)

    def _may_start(self) -> bool:
        if self._store.control("pause"):
            self._muster.part(self._worker)
            self._stance.idle()
            return False
        if self._full_disks.pausing:
            return False
        begins = self._parts.begins()
        if begins is not None:
            waits = self._store.next_queued(self._only) is not None
            self._stance.idle(tr("starts at {time}", time=f"{begins:%H:%M}") if waits else "", "hours")
            return False
        return True

    # Whose turn it is

    def _candidate(self, warm_task: str) -> Job | None:
        """The job that this worker may take next: none that another has taken, a gang that gathers here first."""
        muster, me = self._muster, self._worker
        serving = muster.serving(me)
        if serving is not None and serving[1]:
            self._stance.idle()
            return None
        gathering = muster.gathering(me)
        if gathering is not None:
            candidate = self._store.next_queued([gathering])
            if candidate is not None:
                return candidate
            muster.dissolve(gathering)
        now = self._parts.now()
        self._not_here = {job_id: kept for job_id, kept in self._not_here.items() if kept[0] > now}
        grouped = self._parts.group_by_model
        candidate = self._store.next_queued(
            self._only, warm_task if grouped else "", muster.not_for(me, tuple(self._not_here))
        )
        if candidate is None:
            left = self._store.next_queued(list(self._not_here)) if self._not_here else None
            self._stance.idle("" if left is None else self._not_here[left.id][1], "gpus")
            return None
        if grouped and muster.leave_to_warm(me, candidate.task_type):
            self._stance.idle()
            return None
        return candidate

    def _team(self, candidate: Job) -> tuple[Worker, ...] | None:
        """Who works on the job together, () for this worker alone; None while it is not this worker's turn."""
        number = 1
        if self._worker != THIS_PROCESS:
            # What is refused here is refused by the attempt, which asks again: its row says the words.
            with suppress(PipelineError):
                number = self._muster.size_of(candidate, has_run=candidate.attempts > 0)
        if number == 1:
            if not self._muster.take(self._worker, candidate.id):
                self._look_again()
                return None
            return ()
        if short := self._muster.short_of(self._worker, number):
            self._cannot_here(candidate, CannotHere(gone_words(number, number - short)))
            return None
        if not self._muster.fits(self._worker, number):
            self._not_here[candidate.id] = self._parts.now() + _ELSEWHERE_S, ""
            self._look_again()
            return None
        team = self._muster.gather(self._worker, candidate.id, number)
        if not team:
            missing = self._muster.missing(candidate.id)
            self._stance.idle(missing_words(missing) if missing else "", "gpus")
            return None
        self._muster.take(self._worker, candidate.id)
        return team

    # Whether there is room

    def _has_room(self, candidate: Job) -> bool:
        short = self._shortage(candidate)
        if short is not None:
            self._wait_for_space(candidate, short)
            return False
        if not self._warm_up():
            return False
        try:
            why = self._admit(self._store.resolved(candidate))
        except CannotHere as error:
            self._cannot_here(candidate, error)
            return False
        except WorkerLost as error:
            self._wait_for_worker(candidate, error)
            return False
        if why:
            self._wait_for_memory(candidate, why)
        return not why

    def _shortage(self, job: Job) -> Shortage | None:
        parts = self._parts
        work_dir = parts.jobs_dir / str(job.id)
        result_dir = job.results(parts.result_dir)
        needs = parts.needs(self._store.resolved(job), work_dir, result_dir)
        # The plan was too small once: do not start again before there is more room than at that time.
        planned = sum(need.num_bytes for need in needs)
        extra = max(self._full_disks.needs_at_least(job.id) - planned, 0)
        return shortage([*needs, Need(result_dir, extra)] if extra else needs, parts.free)

    def _wait_for_space(self, job: Job, short: Shortage) -> None:
        text = str(short)
        if self._stance.waiting_for != text:
            self._parts.log.write(tr("queue waits, {text}", text=text), level="warning", job_id=job.id)
            self._stance.idle(text)
        size_words = size(short.needed_bytes)
        reason = because(Code.NO_INODES) if short.no_inodes else because(Code.WAITS_FOR_DISK, size=size_words)
        if job.reason != reason:
            self._store.attempts.note(job.id, reason)

    def _admit(self, job: Job) -> str:
        try:
            return self._executor.admit(job)
        except (CannotHere, WorkerLost):
            raise
        except (PipelineError, ImportError, OSError, RuntimeError) as error:
            # Asking must not end the thread: the attempt meets the same error and says so in its row.
            self._parts.log.write(tr("asking for memory: {error}", error=error), level="warning", job_id=job.id)
            return ""

    def _wait_for_worker(self, job: Job, error: WorkerLost) -> None:
        """Nothing starts here until the worker can be reached again."""
        reason = because(Code.WAITS_FOR_WORKER, why=str(error))
        if job.reason != reason:
            self._parts.log.write(str(error), level="warning", job_id=job.id)
            self._store.attempts.note(job.id, reason)
        self._stance.idle(str(error), "gpus")

    def _cannot_here(self, job: Job, error: CannotHere) -> None:
        """Leave the job to other workers; when none is left that has not said so, the row says why it waits."""
        self._not_here[job.id] = self._parts.now() + _ELSEWHERE_S, str(error)
        reason = because(Code.WAITS_FOR_WORKER, why=str(error))
        if job.reason != reason:
            self._parts.log.write(str(error), level="warning", job_id=job.id)
            with suppress(QueueError):
                self._store.attempts.note(job.id, reason)
        self._muster.part(self._worker)
        # Others may have passed it over while this one looked at it.
        self._parts.worker_free()

    def _wait_for_memory(self, job: Job, why: str) -> None:
        if job.reason.code is not Code.WAITS_FOR_MEMORY:
            self._parts.log.write(tr("job {id} waits: {why}", id=job.id, why=why), level="warning", job_id=job.id)
        reason = because(Code.WAITS_FOR_MEMORY, why=why)
        if job.reason != reason:
            self._store.attempts.note(job.id, reason)
        self._stance.idle(tr("memory: {why}", why=why), "memory")

"""The screens' copy of the queue: listed once, then kept true by events; lives on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import takewhile

from pipelines.front.errors import PipelineError
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import FINISHED, Job, JobState

_LOG_LINES = 2000


class JobBoard:
    """Jobs by id, the running job's progress, the queue's status and the last log lines."""

    def __init__(
        self, reload: Callable[[], Iterable[Job]], count_scenes: Callable[[], Mapping[str, int]] = dict
    ) -> None:
        """`reload` lists the queue again (`QueueService.jobs`); called by `refresh` and on QueueChanged.

        `count_scenes` tells how many scenes each film has; called after it, and when a film's job comes or goes.
        """
        self._reload, self._count_scenes = reload, count_scenes
        self.scene_counts: Mapping[str, int] = {}
        """Name of each film -> its scenes, while one of its jobs is listed."""
        self._jobs: dict[int, Job] = {}
        self._ordered: tuple[Job, ...] | None = None
        self._progress: dict[int, tuple[JobProgress, int]] = {}
        """The newest report of each running job, and the attempt that it is of."""
        # Who runs the queue is not known yet, so nothing is said of another window.
        self.status = QueueStatus(is_owner=True)
        self.log: list[LogLine] = []

    def refresh(self) -> None:
        """List the queue again; what is shown stays while it cannot be read."""
        try:
            listed = self._reload()
        except PipelineError:
            return
        self._jobs = {job.id: job for job in listed}
        self._ordered = None
        self._count_again(self._jobs.values())
        self._drop_stale_progress()

    def apply(self, event: Event) -> None:
        """Take over what an event says."""
        match event:
            case JobChanged(job):
                if job.deleted == (job.id in self._jobs):
                    self._count_again([job])
                if job.deleted:
                    self._jobs.pop(job.id, None)
                else:
                    self._jobs[job.id] = job
                self._ordered = None
                self._drop_stale_progress()
            case QueueChanged():
                self.refresh()
            case JobProgress():
                row = self._jobs.get(event.job_id)
                self._progress[event.job_id] = event, 0 if row is None else row.attempts
                self._drop_stale_progress()
            case QueueStatus():
                self.status = event
            case LogLine():
                self.log.append(event)
                del self.log[:-_LOG_LINES]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The running job, waiting jobs in order, then finished ones, newest first."""
        if self._ordered is None:
            self._ordered = tuple(sorted(self._jobs.values(), key=_finished_last))
            ended = [job for job in self._ordered if job.state in FINISHED]
            ended.sort(key=lambda job: (job.finished_at, job.id), reverse=True)
            self._ordered = (*self._ordered[: len(self._ordered) - len(ended)], *ended)
        return self._ordered

    @property
    def running(self) -> Job | None:
        """The first running job."""
        return next(iter(self.all_running), None)

    @property
    def all_running(self) -> tuple[Job, ...]:
        """Every running job, in queue order."""
        return tuple(takewhile(lambda job: job.state == JobState.RUNNING, self.jobs))

    def waits_alone(self, job: Job) -> bool:
        """Whether no other job waits, so that this one has but one place."""
        return all(one == job.id for one in self._waiting())

    def stays(self, job: Job, offset: int) -> bool:
        """Whether a job that waits keeps its place when it is moved by so many: it is the first or the last."""
        waiting = list(self._waiting())
        return waiting[:1] == [job.id] if offset < 0 else waiting[-1:] == [job.id]

    def _waiting(self) -> Iterator[int]:
        """The jobs that wait, in queue order."""
        unfinished = takewhile(lambda one: one.state not in FINISHED, self.jobs)
        return (one.id for one in unfinished if one.state is not JobState.RUNNING)

    @property
    def progress(self) -> JobProgress | None:
        """The newest report of the first running job; None when nothing runs."""
        first = self.running
        return None if first is None else self._report_of(first)

    @property
    def all_progress(self) -> tuple[JobProgress, ...]:
        """The newest report of each running job, in queue order."""
        return tuple(report for report in map(self._report_of, self.all_running) if report is not None)

    def get(self, job_id: int) -> Job | None:
        """A job that is shown, or None."""
        return self._jobs.get(job_id)

    def count(self, state: JobState) -> int:
        """How many jobs are in a state."""
        return sum(job.state == state for job in self._jobs.values())

    def _count_again(self, jobs: Iterable[Job]) -> None:
        if any(job.batch for job in jobs):
            with suppress(PipelineError):
                self.scene_counts = self._count_scenes()

    def _report_of(self, job: Job) -> JobProgress | None:
        report, _ = self._progress.get(job.id, (None, 0))
        return report

    def _drop_stale_progress(self) -> None:
        for job_id, (_, attempt) in list(self._progress.items()):
            job = self._jobs.get(job_id)
            if job is None or job.state != JobState.RUNNING or job.attempts != attempt:
                del self._progress[job_id]


def _finished_last(job: Job) -> tuple[bool, bool, float, int]:
    return (job.state in FINISHED, job.state != JobState.RUNNING, job.position, job.id)

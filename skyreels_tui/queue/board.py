"""The screens' copy of the queue: listed once, then kept true by events; lives on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipelines.front.errors import PipelineError
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import FINISHED, Job, JobState

_LOG_LINES = 2000


class JobBoard:
    """Jobs by id, the running job's progress, the queue's status and the last log lines."""

    def __init__(self, reload: Callable[[], Iterable[Job]]) -> None:
        """`reload` lists the queue again (`QueueService.jobs`); called by `refresh` and on QueueChanged."""
        self._reload = reload
        self._jobs: dict[int, Job] = {}
        self._ordered: tuple[Job, ...] | None = None
        self.progress: JobProgress | None = None
        """Of the running job; None when nothing runs."""
        self._attempt = 0
        """The attempt that `progress` is of."""
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
        self._drop_stale_progress()

    def apply(self, event: Event) -> None:
        """Take over what an event says."""
        match event:
            case JobChanged(job):
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
                self.progress, self._attempt = event, 0 if row is None else row.attempts
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
        """The running job."""
        first = self.jobs[0] if self._jobs else None
        return first if first is not None and first.state == JobState.RUNNING else None

    def get(self, job_id: int) -> Job | None:
        """A job that is shown, or None."""
        return self._jobs.get(job_id)

    def count(self, state: JobState) -> int:
        """How many jobs are in a state."""
        return sum(job.state == state for job in self._jobs.values())

    def _drop_stale_progress(self) -> None:
        if self.progress is not None:
            job = self._jobs.get(self.progress.job_id)
            if job is None or job.state != JobState.RUNNING or job.attempts != self._attempt:
                self.progress = None


def _finished_last(job: Job) -> tuple[bool, bool, float, int]:
    return (job.state in FINISHED, job.state != JobState.RUNNING, job.position, job.id)

"""Says for every report of the runner how long its job still takes, and remembers what it learns."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import PipelineError
from pipelines.plan import Plan
from pipelines.progress import Progress, Stage
from skyreels_tui.jobs.eta import JobEta
from skyreels_tui.jobs.model import Job
from skyreels_tui.jobs.rates import EtaBook


def plan_of(job: Job) -> Plan | None:
    """Plan a job; None when its inputs cannot be read. Opens files."""
    try:
        return job.task.plan(job.request)
    except (PipelineError, OSError, ValueError, KeyError, IndexError):
        # A picture that was moved, an input that another job has yet to make, a request of a newer version.
        return None


class TimeLeftEstimator:
    """The runner's `time_left`: one attempt after the other, on the inference thread."""

    def __init__(self, book: EtaBook) -> None:
        self._book = book
        self._attempt: tuple[int, int] | None = None
        self._eta: JobEta | None = None
        self._elapsed_s = 0.0
        self._remembered = False

    def __call__(self, job: Job, progress: Progress, step_seconds: Sequence[float], elapsed_s: float) -> float | None:
        """Return the seconds left; None when the job's cost is not known."""
        self._elapsed_s = elapsed_s
        if self._attempt != (job.id, job.attempts):
            self._attempt, self._remembered = (job.id, job.attempts), False
            plan = plan_of(job)
            self._eta = self._book.follow(job.task_type, plan, self._clock) if plan else None
        if self._eta is None:
            return None
        left_s = self._eta.update(progress)
        if progress.stage is Stage.WRITE and not self._remembered:
            # All that is worth knowing has happened; the end itself is not reported.
            self._remembered = True
            self._eta.finish()
        return left_s

    def _clock(self) -> float:
        return self._elapsed_s

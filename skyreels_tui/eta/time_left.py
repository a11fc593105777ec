"""Joins the runner's question 'how long still?' to what this machine has learned about job times."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pipelines.front.progress import Progress
from skyreels_tui.eta.follow import JobEta
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.queue.events import Event, JobChanged
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.pace import Pace
from skyreels_tui.requests.planning import known_plan


class TimeLeft:
    """Called by the inference thread at each report; learns when a job is done. Thread-safe."""

    def __init__(self, book: EtaBook) -> None:
        self.book = book
        self._lock = threading.Lock()
        self._attempt: tuple[int, int] | None = None
        self._eta: JobEta | None = None

    def __call__(self, job: Job, progress: Progress, _steps: Sequence[float], elapsed_s: float) -> Pace | None:
        """How the job goes, or None when the job's inputs do not say what it costs.

        At an attempt's first report the job's row still says where the attempt goes on.
        """
        with self._lock:
            if self._attempt != (job.id, job.attempts):
                self._attempt, self._eta = (job.id, job.attempts), self._follow(job)
            return self._eta.update(progress, elapsed_s) if self._eta is not None else None

    def learn(self, event: Event) -> None:
        """Remember this machine's speed from a job that was made from its first step to its end."""
        if not isinstance(event, JobChanged) or event.job.state is not JobState.DONE:
            return
        with self._lock:
            if self._eta is not None and self._attempt == (event.job.id, event.job.attempts):
                self._eta.finish(event.job.run_seconds if event.job.attempts == 1 else None)
                self._eta = None

    def _follow(self, job: Job) -> JobEta | None:
        plan = known_plan(job)
        return None if plan is None else self.book.follow(job.task_type, plan, goes_on_at=(job.segment, job.step))

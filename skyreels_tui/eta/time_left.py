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
    """Called by the inference threads at each report; learns when a job is done. Thread-safe."""

    def __init__(self, book: EtaBook) -> None:
        self.book = book
        self._lock = threading.Lock()
        self._etas: dict[int, tuple[int, JobEta | None]] = {}

    def __call__(
        self, job: Job, progress: Progress, _steps: Sequence[float], elapsed_s: float, /, *, kind: str = ""
    ) -> Pace | None:
        """How the job goes on a worker of this kind, or None when the job's inputs do not say what it costs.

        At an attempt's first report the job's row still says where the attempt goes on.
        """
        with self._lock:
            attempt, eta = self._etas.get(job.id, (0, None))
            if attempt != job.attempts:
                eta = self._follow(job, kind)
                self._etas[job.id] = job.attempts, eta
            return eta.update(progress, elapsed_s) if eta is not None else None

    def learn(self, event: Event) -> None:
        """Remember this machine's speed from a job that was made from its first step to its end."""
        if not isinstance(event, JobChanged) or event.job.state is JobState.RUNNING:
            return
        with self._lock:
            attempt, eta = self._etas.pop(event.job.id, (0, None))
            if eta is not None and event.job.state is JobState.DONE and attempt == event.job.attempts:
                eta.finish(event.job.run_seconds if attempt == 1 else None)

    def _follow(self, job: Job, kind: str) -> JobEta | None:
        plan, place = known_plan(job), (job.segment, job.step)
        return None if plan is None else self.book.follow(job.task_type, plan, goes_on_at=place, kind=kind)

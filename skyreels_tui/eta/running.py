"""The times of the running jobs as of now; knows a job only from its reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from pipelines.front.language import tr
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job
from skyreels_tui.words.times import ROUGH, rough_duration


class RunningTimes:
    """What the newest report said, less what has passed since it came: a step may take minutes. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[int, tuple[JobProgress, float]] = {}

    def hear(self, reports: Iterable[JobProgress]) -> None:
        """Take the newest report of each running job; one that is known already comes only once."""
        before, self._heard = self._heard, {}
        for report in reports:
            known = before.get(report.job_id)
            same = known is not None and known[0] is report
            self._heard[report.job_id] = known if known is not None and same else (report, self._clock())

    def since_s(self, job_id: int) -> float:
        """Seconds since the job's newest report came; 0 without one."""
        return max(0.0, self._clock() - self._heard[job_id][1]) if job_id in self._heard else 0.0

    def _report(self, job_id: int) -> JobProgress | None:
        return self._heard[job_id][0] if job_id in self._heard else None

    def left_s(self, job_id: int) -> float | None:
        """Seconds until the job ends, never below 0; None while nothing is known."""
        report = self._report(job_id)
        if report is None or report.left_s is None:
            return None
        if report.pace is not None:
            return report.pace.left_s(self.since_s(job_id))
        return max(0.0, report.left_s - self.since_s(job_id))

    def job_left_s(self, job: Job) -> float | None:
        """As `left_s`; 0 of a job that has been cancelled: it stands aside at the next edge, whatever it had left."""
        return 0.0 if job.cancel_requested else self.left_s(job.id)

    def is_told(self, job: Job) -> bool:
        """Whether the time left is no longer so rough that a dash stands for it."""
        return job.cancel_requested or self.spread(job.id) <= ROUGH

    def told_s(self, job: Job) -> float | None:
        """As `job_left_s`; None where a dash stands for it."""
        return self.job_left_s(job) if self.is_told(job) else None

    def left_words(self, job_id: int) -> str:
        """The time left as it is shown everywhere: `14:02`, `2-4 min` while it is not known, a dash."""
        return rough_duration(self.left_s(job_id), self.spread(job_id))

    def slower_words(self, job_id: int) -> str:
        """Why the time left has just grown; '' when it has not."""
        report = self._report(job_id)
        if report is None or report.pace is None or not self.is_slower(job_id):
            return ""
        return tr("slower than before") if report.pace.measured else tr("slower than expected")

    def spread(self, job_id: int) -> float:
        """The truth lies within the time left divided and multiplied by this; 1 when it is known."""
        report = self._report(job_id)
        if report is None or report.pace is None:
            return 1.0
        return report.pace.spread(self.since_s(job_id))

    def is_slower(self, job_id: int) -> bool:
        """Whether the time left has just grown, which must be said where it stands."""
        report = self._report(job_id)
        if report is None or report.pace is None:
            return False
        return report.pace.is_slower(self.since_s(job_id))

    def elapsed_s(self, job_id: int) -> float | None:
        """Seconds since the job's attempt began; None without a report of it."""
        report = self._report(job_id)
        return report.elapsed_s + self.since_s(job_id) if report is not None else None

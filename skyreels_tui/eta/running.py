"""The times of the running job as of now; knows the job only from its reports."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipelines.front.language import tr
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.words.times import rough_duration


class RunningTimes:
    """What the newest report said, less what has passed since it came: a step may take minutes. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._report: JobProgress | None = None
        self._heard_s = 0.0

    def hear(self, report: JobProgress | None) -> None:
        """Take a report that has just come; one that is known already comes only once."""
        if report is not self._report:
            self._report, self._heard_s = report, self._clock()

    def since_s(self) -> float:
        """Seconds since the newest report came; 0 without one."""
        return 0.0 if self._report is None else max(0.0, self._clock() - self._heard_s)

    def left_s(self, job_id: int) -> float | None:
        """Seconds until the job ends, never below 0; None while nothing is known or another job reports."""
        report = self._report
        if report is None or report.job_id != job_id or report.left_s is None:
            return None
        if report.pace is not None:
            return report.pace.left_s(self.since_s())
        return max(0.0, report.left_s - self.since_s())

    def left_words(self, job_id: int) -> str:
        """The time left as it is shown everywhere: `14:02`, `2-4 min` while it is not known, a dash."""
        return rough_duration(self.left_s(job_id), self.spread(job_id))

    def slower_words(self, job_id: int) -> str:
        """Why the time left has just grown; '' when it has not."""
        report = self._report
        if report is None or report.pace is None or not self.is_slower(job_id):
            return ""
        return tr("slower than before") if report.pace.measured else tr("slower than expected")

    def spread(self, job_id: int) -> float:
        """The truth lies within the time left divided and multiplied by this; 1 when it is known."""
        report = self._report
        if report is None or report.job_id != job_id or report.pace is None:
            return 1.0
        return report.pace.spread(self.since_s())

    def is_slower(self, job_id: int) -> bool:
        """Whether the time left has just grown, which must be said where it stands."""
        report = self._report
        if report is None or report.job_id != job_id or report.pace is None:
            return False
        return report.pace.is_slower(self.since_s())

    def elapsed_s(self, job_id: int) -> float | None:
        """Seconds since the job's attempt began; None while another job reports, or none."""
        report = self._report
        return report.elapsed_s + self.since_s() if report is not None and report.job_id == job_id else None

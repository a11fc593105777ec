"""When films end, from what each job of the queue will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code

_BY_ITSELF = (JobState.RUNNING, JobState.QUEUED, JobState.BLOCKED)
_STANDS_STILL = (Code.JOB_FAILED, Code.JOB_CANCELLED, Code.JOB_DELETED)
"""What such a job waits for does not come by itself."""


def film_ends(
    jobs: Sequence[Job], estimate_s: Callable[[Job], float | None], running_s: float | None
) -> dict[str, float]:
    """Film -> seconds of work until the last of its jobs that will run by themselves has run.

    Others stand before them in the queue. A film behind a job of which nothing is known has no end that can be told.
    """
    ends: dict[str, float] = {}
    unknown: set[str] = set()
    total: float | None = 0.0
    for job in jobs:
        if job.state not in _BY_ITSELF or job.reason.code in _STANDS_STILL:
            continue
        seconds = running_s if job.state is JobState.RUNNING else estimate_s(job)
        total = None if total is None or seconds is None else total + seconds
        if job.batch and total is not None:
            ends[job.batch] = total
        elif job.batch:
            unknown.add(job.batch)
    return {name: seconds for name, seconds in ends.items() if name not in unknown}

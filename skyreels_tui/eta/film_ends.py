"""When films end, from what each job of the queue will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skyreels_tui.eta.gangs import free_at_s, members_of, take
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code

_BY_ITSELF = (JobState.RUNNING, JobState.QUEUED, JobState.BLOCKED)
_STANDS_STILL = (Code.JOB_FAILED, Code.JOB_CANCELLED, Code.JOB_DELETED)
"""What such a job waits for does not come by itself."""
_WAITING = (JobState.QUEUED, JobState.BLOCKED)


def film_left_s(
    takes: Sequence[Job],
    estimate_s: Callable[[Job], float | None],
    running_s: Callable[[Job], float | None],
    workers: int = 1,
) -> float | None:
    """Seconds until a film's takes are made by so many workers; None while nothing is known of one, or none waits."""
    now = [(running_s(take), members_of(take, workers)) for take in takes if take.state is JobState.RUNNING]
    then = [(estimate_s(take), members_of(take, workers)) for take in takes if take.state in _WAITING]
    known, later = ([(one, size) for one, size in jobs if one is not None] for jobs in (now, then))
    if len(known) + len(later) < len(now) + len(then) or not now + then:
        return None
    return free_at_s(known, later, workers)[-1]


def film_ends(
    jobs: Sequence[Job],
    estimate_s: Callable[[Job], float | None],
    running_s: Callable[[Job], float | None],
    workers: int = 1,
) -> dict[str, float]:
    """Film -> seconds until the last of its jobs has run, each on the workers that are free first.

    Only jobs that will run by themselves count. Others stand before them in the queue, the running ones first. A film
    behind a job of which nothing is known has no end that can be told.
    """
    ends: dict[str, float] = {}
    unknown: set[str] = set()
    is_known, free_at = True, [0.0] * max(1, workers)
    for job in jobs:
        if job.state not in _BY_ITSELF or job.reason.code in _STANDS_STILL:
            continue
        seconds = running_s(job) if job.state is JobState.RUNNING else estimate_s(job)
        is_known = is_known and seconds is not None
        if is_known and seconds is not None:
            end = take(free_at, seconds, members_of(job, len(free_at)))
            if job.batch:
                ends[job.batch] = max(end, ends.get(job.batch, 0.0))
        elif job.batch:
            unknown.add(job.batch)
    return {name: seconds for name, seconds in ends.items() if name not in unknown}

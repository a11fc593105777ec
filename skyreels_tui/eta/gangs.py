"""How long workers are taken when some jobs ask for several of them at once; pure numbers."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from pipelines.front.errors import PipelineError
from pipelines.front.gang import ranks_of
from skyreels_tui.queue.model import Job


def members(asked: str, workers: int) -> int:
    """How many of so many workers a job takes that asks for these GPUs: at least one, at most all."""
    if workers <= 1 or asked == "1":
        return 1
    try:
        return min(workers, ranks_of(asked, workers))
    except (PipelineError, ValueError):
        # It waits for others, or is refused: until then all that are there are kept for it.
        return workers


def members_of(job: Job, workers: int) -> int:
    """The same of a job of the queue."""
    if workers <= 1:
        return 1
    try:
        return members(str(getattr(job.request, "gpus", "1")), workers)
    except PipelineError:
        return 1


def take(free_at: list[float], seconds: float, size: int = 1) -> float:
    """Let a job run on the `size` workers that are free first, once all of them are; when it ends.

    `free_at` says when each worker is free, sorted, and is brought up to after the job.
    """
    end = free_at[size - 1] + seconds
    del free_at[:size]
    for _ in range(size):
        insort(free_at, end)
    return end


def free_at_s(running: Iterable[tuple[float, int]], waiting: Iterable[tuple[float, int]], workers: int) -> list[float]:
    """Seconds until each worker is free, the first one first; the jobs are (seconds, workers that it takes).

    A running job has its workers already; each waiting one takes those that are free first, once they are enough.
    """
    held = [seconds for seconds, size in running for _ in range(size)]
    free_at = sorted([*held, *[0.0] * (workers - len(held))])
    for seconds, size in waiting:
        take(free_at, seconds, min(size, len(free_at)))
    return free_at

"""What happened to jobs that another process runs: a viewer hears only that rows have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skyreels_tui.queue.events import JobChanged
from skyreels_tui.queue.model import Job


class OthersNews:
    """Turns 'rows have changed' into the rows. `unfinished` lists them, `row` returns one that has left the list."""

    def __init__(self, unfinished: Callable[[], Iterable[Job]], row: Callable[[int], Job]) -> None:
        self._unfinished, self._row = unfinished, row
        self._open: frozenset[int] = frozenset()

    def changes(self) -> list[JobChanged]:
        """Every unfinished job as it is now, and the ones that have ended since the last call."""
        current = {job.id: job for job in self._unfinished()}
        ended = [self._row(job_id) for job_id in self._open - current.keys()]
        self._open = frozenset(current)
        return [JobChanged(job) for job in (*current.values(), *ended)]

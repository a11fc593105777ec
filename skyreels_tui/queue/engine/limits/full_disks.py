"""What jobs have met of full disks: when they are tried again, and how much room they wait for."""

from __future__ import annotations

from collections.abc import Callable

_MORE_BYTES = 64 * 2**20
_LITTLE_BYTES = 256 * 2**20
_RETRIES_OF_PAUSE = 15
"""After a full disk nothing starts for this many of the runner's usual pauses."""


class FullDisks:
    """Of one runner; used on its thread."""

    def __init__(self, now: Callable[[], float], retry_s: float) -> None:
        """`now` is a monotonic clock in seconds; the runner pauses for `retry_s` between two tries."""
        self._now, self._retry_s = now, retry_s
        self._short_of: dict[int, int] = {}
        self._tries: dict[int, int] = {}
        self._not_before = float("-inf")

    @property
    def pausing(self) -> bool:
        """Whether nothing is to start yet."""
        return self._now() < self._not_before

    def met(self, job_id: int, free_bytes: int, needed_bytes: int) -> int:
        """A job could not be written with so much free; how often it has met that with room to spare."""
        more = free_bytes + _MORE_BYTES if free_bytes < _LITTLE_BYTES else 0
        self._short_of[job_id] = max(needed_bytes, more)
        self._tries[job_id] = self._tries.get(job_id, 0) + (not more)
        return self._tries[job_id]

    def pause(self) -> None:
        """Let nothing start for a while."""
        self._not_before = self._now() + _RETRIES_OF_PAUSE * self._retry_s

    def needs_at_least(self, job_id: int) -> int:
        """Bytes without which the job is not begun again; 0 when it never met a full disk."""
        return self._short_of.get(job_id, 0)

    def forget_tries(self, job_id: int) -> None:
        """The job is set aside: when it comes again, its tries count anew."""
        self._tries.pop(job_id, None)

    def forget(self, job_id: int) -> None:
        """The job is done."""
        self._short_of.pop(job_id, None)
        self._tries.pop(job_id, None)

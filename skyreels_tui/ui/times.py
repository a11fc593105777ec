"""The times of a queue as they are shown: of the running job, of those that wait, of films; knows no screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.front.language import tr
from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.model import Job
from skyreels_tui.words.times import KNOWN, UNKNOWN, ends_at, rough_duration

if TYPE_CHECKING:
    from skyreels_tui.eta.forecast import QueueForecast
    from skyreels_tui.eta.running import RunningTimes
    from skyreels_tui.settings.hours import Hours


class QueueTimes:
    """What the newest forecast and the newest reports say of one queue, as of now."""

    def __init__(
        self,
        board: JobBoard,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], datetime],
        hours: Callable[[], Hours | None],
    ) -> None:
        """`clock` tells seconds, `wall_clock` the local time of day, `hours` those in which jobs run, None: all."""
        self._board, self._clock, self._wall_clock, self._hours = board, clock, wall_clock, hours
        self._job_seconds: dict[int, float] = {}
        self.forecast: QueueForecast | None = None
        """The newest."""

    @cached_property
    def running(self) -> RunningTimes:
        """Of the jobs that run."""
        # Imported with the first report: the first screen of a queue in which nothing runs needs none.
        from skyreels_tui.eta.running import RunningTimes

        return RunningTimes(self._clock)

    def hear(self) -> None:
        """Take the newest reports off the board."""
        self.running.hear(self._board.all_progress)

    def take(self, forecast: QueueForecast) -> None:
        """Keep what a forecast says of each job."""
        self.forecast = forecast
        self._job_seconds = dict(forecast.job_seconds + forecast.held_seconds)

    def estimate_s(self, job: Job) -> float | None:
        """Predicted seconds of a job that has not begun; None while nothing is known."""
        return self._job_seconds.get(job.id)

    def is_unreadable(self, job: Job) -> bool:
        """Whether nothing is known of a job because its inputs could not be read."""
        return self.forecast is not None and job.id in self.forecast.unreadable

    @property
    def queue_starts(self) -> bool:
        """Whether what waits would start as soon as it may: nobody can say when another queue ends."""
        status = self._board.status
        return status.pause in ("", "hours") and not status.stopping

    @property
    def _running_ends(self) -> bool:
        """Whether what runs will come to its own end."""
        status = self._board.status
        return status.pause != "now" and not status.stopping

    def queue_end(self) -> str:
        """When the queue will be empty, hours of rest included: `21:40`, `~21:40` while a running job's time is rough.

        '' while a part of it is unknown, or will not start by itself.
        """
        seconds = self._queue_left_s()
        if seconds is None:
            return ""
        end = ends_at(seconds, self._wall_clock().astimezone())
        return f"~{end}" if any(self.running.spread(job.id) >= KNOWN for job in self._board.all_running) else end

    def _queue_left_s(self) -> float | None:
        forecast = self.forecast
        if forecast is None or forecast.unknown or not all(map(self.running.is_told, self._board.all_running)):
            return None
        if not self.queue_starts and (forecast.job_seconds or self._board.running is None or not self._running_ends):
            return None
        return self._with_rest(forecast.total_seconds)

    def _with_rest(self, seconds: float) -> float:
        """Seconds until so much work is done that begins now, hours of rest included."""
        # Loaded with the first forecast.
        from skyreels_tui.settings.hours import work_ends

        hours, now = self._hours(), self._wall_clock()
        return seconds if hours is None else (work_ends(now, seconds, hours) - now).total_seconds()

    def film_ends(self) -> dict[str, str]:
        """Film -> 'ends Wed 03:10', for those of which it is known."""
        # Loaded with the first film: the first paint of a queue without one needs none.
        from skyreels_tui.eta.film_ends import film_ends

        # Behind what does not start no end is known.
        waiting_s = self.estimate_s if self.queue_starts else _nobody_knows
        running_s = self.running.told_s if self._running_ends else _nobody_knows
        now, ends = self._wall_clock(), film_ends(self._board.jobs, waiting_s, running_s, self._worker_count)
        return {name: tr("ends {time}", time=ends_at(self._with_rest(one), now)) for name, one in ends.items()}

    def film_left(self, takes: Sequence[Job]) -> str:
        """What a film's takes still need, as the time left of a job is shown; '' while it is not known, or nothing."""
        if self.forecast is None:
            return ""
        from skyreels_tui.eta.film_ends import film_left_s

        seconds = film_left_s(takes, self.estimate_s, self.running.job_left_s, self._worker_count)
        left = rough_duration(seconds, max((self.running.spread(take.id) for take in takes), default=1.0))
        return "" if left == UNKNOWN else left

    @property
    def _worker_count(self) -> int:
        return 1 if self.forecast is None else self.forecast.workers


def _nobody_knows(_: Job) -> float | None:
    return None

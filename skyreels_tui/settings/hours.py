"""Hours of the day in which jobs may run, by the clock on the wall; knows nothing of jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from pipelines.front.language import tr

_WRITTEN = re.compile(r"\s*(\d{1,2}):(\d{2})\s*(?:-\s*(\d{1,2}):(\d{2})\s*)?")


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to before `end`, over midnight where `end` is the earlier one."""

    start: time
    end: time

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def hold(self, now: datetime) -> bool:
        """True when jobs may run at `now`, in local time."""
        at = now.time()
        return self.start <= at < self.end if self.start < self.end else at >= self.start or at < self.end

    def next_start(self, now: datetime) -> datetime:
        """When they begin next, `now` itself while they hold."""
        if self.hold(now):
            return now
        today = datetime.combine(now.date(), self.start, now.tzinfo)
        return today if today > now else today + timedelta(days=1)

    def after_work(self, now: datetime, seconds: float) -> datetime:
        """When work of `seconds` that begins as soon as it may is done."""
        left = timedelta(seconds=seconds)
        while True:
            now = self.next_start(now)
            end = datetime.combine(now.date(), self.end, now.tzinfo)
            if end <= now:
                end += timedelta(days=1)
            if left <= end - now:
                return now + left
            left -= end - now
            now = end


def work_ends(now: datetime, seconds: float, hours: Hours | None) -> datetime:
    """When work of `seconds` that begins now is done; `hours` are those in which it may go on, None: all."""
    return now + timedelta(seconds=seconds) if hours is None else hours.after_work(now, seconds)


def parse_hours(text: str) -> Hours:
    """Read '22:00-07:00'; raises ValueError in words."""
    found = _WRITTEN.fullmatch(text)
    if found and found[3] is not None:
        try:
            hours = Hours(time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4])))
        except ValueError:
            hours = None
        if hours is not None and hours.start != hours.end:
            return hours
    raise ValueError(tr("write two times of the day, such as 22:00-07:00"))


def parse_time(text: str) -> time:
    """Read '22:00'; raises ValueError in words."""
    found = _WRITTEN.fullmatch(text)
    if found and found[3] is None:
        try:
            return time(int(found[1]), int(found[2]))
        except ValueError:
            pass
    raise ValueError(tr("write a time of the day, such as 22:00"))

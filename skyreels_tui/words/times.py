"""Durations and clock times in the words of the screens and of the shell; knows nothing about jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.front.language import mark, tr

UNKNOWN = "-"
"""Shown for a figure that is not known."""


WEEKDAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))


def duration(seconds: float | None) -> str:
    """`mm:ss` below an hour, `1h29` above, `3d04h` above four days, a dash when unknown."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    minutes = whole // 60
    if minutes < 60 * 96:
        return f"{minutes // 60}h{minutes % 60:02d}"
    return f"{minutes // 1440}d{minutes % 1440 // 60:02d}h"


def words(seconds: float) -> str:
    """A rough duration for the estimate line: `40 s`, `37 min`, `5.2 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


KNOWN, ROUGH = 1.15, 4.0
"""A time within this factor of the truth is shown as it is; one within the second as a range; others not at all."""


def rough_duration(seconds: float | None, spread: float) -> str:
    """As `duration`; `2-4 min` where the truth lies within a factor of `spread`, a dash where nobody can say."""
    if seconds is None or spread < KNOWN:
        return duration(seconds)
    if spread > ROUGH:
        return UNKNOWN
    low, high = seconds / spread, seconds * spread
    for length, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if high >= 1.5 * length or length == 1:
            first, last = max(1, round(low / length)), max(1, round(high / length))
            return f"{first}-{last} {unit}" if first < last else f"{last} {unit}"
    return UNKNOWN


def clock(moment: datetime, now: datetime) -> str:
    """`02:17`, with the weekday when it is not today and the date when it is more than six days away."""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if abs((moment.date() - now.date()).days) <= 6:
        return f"{weekday(moment)} {moment:%H:%M}"
    return f"{moment:%Y-%m-%d}"


def weekday(moment: datetime) -> str:
    """The day in three letters or so, in the chosen language."""
    return tr(WEEKDAYS[moment.weekday()])


def ends_at(seconds: float | None, now: datetime) -> str:
    """Clock time at which something that takes `seconds` from `now` ends; a dash when unknown."""
    return UNKNOWN if seconds is None else clock(now + timedelta(seconds=seconds), now)


def local(iso: str) -> datetime:
    """Read a UTC ISO time of the store as local time."""
    moment = datetime.fromisoformat(iso)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone()


def ago(iso: str, now: datetime) -> str:
    """Age of a UTC ISO time: `now`, `12 min`, `3 h`, `4 d`."""
    seconds = (now - local(iso)).total_seconds()
    if seconds < 60:
        return tr("now")
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return tr("now")


def ago_words(iso: str, now: datetime) -> str:
    """As `ago`, in a sentence: `now`, `12 min ago`."""
    if (now - local(iso)).total_seconds() < 60:
        return tr("now")
    return tr("{time} ago", time=ago(iso, now))

"""What heat and power cost a job, in words."""

from __future__ import annotations

from pipelines.front.language import tr
from skyreels_tui.queue.model import Job
from skyreels_tui.words.times import duration


def heat_words(job: Job) -> list[str]:
    """`rested 2:10 between steps`, `5:00 with clocks slowed ...`: a line each, none for a job that was left alone."""
    lines = []
    if job.rested_s >= 1:
        lines.append(tr("rested {time} between steps", time=duration(job.rested_s)))
    if job.slowed_s >= 1:
        lines.append(tr("{time} with clocks slowed by heat or power", time=duration(job.slowed_s)))
    return lines

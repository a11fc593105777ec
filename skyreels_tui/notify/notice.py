"""What is worth telling a person who does not look; pure functions over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.front.language import tr
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.words.safe_text import safe

NoticeKind = Literal["done", "failed", "attention"]

TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    kind: NoticeKind
    title: str
    text: str
    """Both are free of control characters."""
    job: Job | None = None
    film: Film | None = None


def notice_for(before: JobState | None, job: Job) -> Notice | None:
    """Return what a change of `job` is worth telling; `before` is its state before, None when unknown.

    A job that was in a final state when it was first seen is old news.
    """
    if before is None or before is job.state:
        return None
    name = safe(job.label or tr("job {id}", id=job.id), 60)
    match job.state:
        case JobState.DONE if job.suspect:
            return Notice("attention", tr("{name} looks wrong", name=name), safe(job.suspect, TEXT_LIMIT), job)
        case JobState.DONE:
            return Notice("done", tr("{name} is done", name=name), safe(job.output, TEXT_LIMIT), job)
        case JobState.FAILED:
            return Notice("failed", tr("{name} failed", name=name), safe(job.error, TEXT_LIMIT), job)
        case JobState.HELD if before in (JobState.RUNNING, JobState.INTERRUPTED) and job.reason:
            return Notice(
                "attention", tr("{name} needs a decision", name=name), safe(reason_words(job.reason), TEXT_LIMIT), job
            )
        case JobState.INTERRUPTED:
            return Notice(
                "attention", tr("{name} was interrupted", name=name), safe(reason_words(job.reason), TEXT_LIMIT), job
            )
    return None


def notice_of_film(film: Film) -> Notice:
    """Return what is told of a film that is done or stands still."""
    name, counts = safe(film.name, 60), film.counts
    done = tr("{done}/{count} done", done=counts[JobState.DONE], count=len(film.scenes))
    if film.is_done:
        return Notice("done", tr("film {name} is done", name=name), done, film=film)
    rest = [f"{counts[state]} {tr(state)}" for state in JobState if state is not JobState.DONE and counts[state]]
    return Notice("attention", tr("film {name} stands still", name=name), ", ".join((done, *rest)), film=film)


def percent_done(elapsed_s: float, left_s: float | None) -> int | None:
    """Share of a job's time that has passed, 0..99; None while the rest is unknown."""
    if left_s is None:
        return None
    whole = elapsed_s + left_s
    return min(99, int(100 * elapsed_s / whole)) if whole > 0 else 0

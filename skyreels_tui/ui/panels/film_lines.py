"""Rows of the queue with a film's jobs under one line that folds, or those that a search leaves; draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skyreels_tui.queue.model import FINISHED, Job, JobState

FOLDED_FROM = 8
"""A film of at least so many jobs is one line until it is opened."""


@dataclass(frozen=True, slots=True)
class FilmLine:
    """The line that stands for a film's jobs."""

    name: str
    done: int
    count: int
    failed: int
    runs: bool
    folded: bool
    unfinished: tuple[Job, ...] = ()
    """Its jobs that have not ended."""


Row = Job | FilmLine


def queue_rows(
    jobs: Sequence[Job], chosen: Mapping[str, bool], words: str = "", scenes: Mapping[str, int] | None = None
) -> list[Row]:
    """Return the rows of jobs that stand in this order.

    `chosen` says of films that a person folded (True) or opened. With `words` only jobs in which all of them occur,
    without lines of films. `scenes` are how many each film has, of which some may have no job.
    """
    scenes = scenes or {}
    if words.strip():
        wanted = words.lower().split()
        return [job for job in jobs if all(word in _text(job) for word in wanted)]
    films: dict[str, list[Job]] = {}
    for job in jobs:
        if job.batch:
            films.setdefault(job.batch, []).append(job)
    lines = {name: _line(name, own, chosen, scenes.get(name, 0)) for name, own in films.items() if len(own) > 1}
    if not lines:
        return list(jobs)
    rows: list[Row] = []
    told: set[str] = set()
    for job in jobs:
        line = lines.get(job.batch) if job.batch else None
        if line is not None and job.batch not in told:
            told.add(job.batch)
            rows.append(line)
        if line is None or not line.folded:
            rows.append(job)
    return rows


def _line(name: str, jobs: Sequence[Job], chosen: Mapping[str, bool], num_scenes: int) -> FilmLine:
    """Count scenes: one with a finished take is done, any other one stands where its newest take does."""
    scenes: dict[int, Job] = {}
    for job in jobs:
        # A job of no scene counts as one of its own.
        place = job.scene or -job.id
        scenes[place] = max(scenes.get(place, job), job, key=lambda take: (take.state is JobState.DONE, take.id))
    states = Counter(job.state for job in scenes.values())
    return FilmLine(
        name,
        states[JobState.DONE],
        max(len(scenes), num_scenes),
        states[JobState.FAILED],
        any(job.state is JobState.RUNNING for job in jobs),
        chosen.get(name, len(jobs) >= FOLDED_FROM),
        tuple(job for job in jobs if job.state not in FINISHED),
    )


def _text(job: Job) -> str:
    return f"{job.id} {job.label} {job.batch} {job.task_type} {job.state} {job.error}".lower()

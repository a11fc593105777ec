"""Batches: named lists of jobs, where they stand, and their clips joined into one film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.front.language import tr, trn
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import FINISHED, Job, JobState

FOLDER = "batches"
"""Below the result folder."""


def current(jobs: Sequence[Job]) -> list[Job]:
    """The latest row of each entry of a batch, in the order of the first ones."""
    latest = {job.id: job for job in jobs}
    place = {job.id: (job.position, job.id) for job in jobs}
    for job in sorted(jobs, key=lambda one: one.id):
        if job.retry_of in latest:
            place[job.id] = place[job.retry_of]
            del latest[job.retry_of]
    return sorted(latest.values(), key=lambda job: (place[job.id], job.id))


def finalize(name: str, jobs: Sequence[Job], result_dir: Path) -> Path:
    """Join the finished clips of a batch in order into one mp4 and return it.

    Raises QueueError when a job of the batch still waits or runs, or nothing is finished; MediaError when a
    clip cannot be joined.
    """
    from pipelines.media.write.join import join_clips

    rows = current(jobs)
    waiting = [job for job in rows if job.state not in FINISHED]
    if waiting:
        names = ", ".join(f"{job.id} {job.label}" for job in waiting[:3])
        raise QueueError(
            trn(
                "{count} job of batch {name!r} is not finished yet ({names})",
                "{count} jobs of batch {name!r} are not finished yet ({names})",
                len(waiting),
                name=name,
                names=names,
            )
        )
    clips = [Path(job.output) for job in rows if job.state == JobState.DONE]
    if not clips:
        raise QueueError(tr("batch {name!r} has no finished clip to join", name=name))
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")
    target = result_dir / FOLDER / f"{kept or 'batch'}.mp4"
    return join_clips(clips, target)

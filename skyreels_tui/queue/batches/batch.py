"""Batches: named lists of jobs, where they stand, and their clips joined into one film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.front.language import tr, trn
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import FINISHED, Job, JobState

FOLDER = "batches"
"""Below the result folder."""


def finalize(name: str, rows: Sequence[Job], result_dir: Path) -> Path:
    """Join the finished clips of a batch into one mp4 and return it; `rows` has one job a scene, in order.

    Raises QueueError when a job of the batch still waits or runs, or nothing is finished; MediaError when a
    clip cannot be joined.
    """
    from pipelines.media.write.join import join_clips

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

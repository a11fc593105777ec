"""Carries out what a person agreed to fetch, for the screens and the shell alike; asks nothing itself."""

from __future__ import annotations

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.download.errors import Changed
from pipelines.checkpoints.download.fetch import Tell, download
from pipelines.checkpoints.download.hub import DownloadPlan, check_room
from pipelines.checkpoints.download.meter import Moved
from pipelines.checkpoints.registry import Checkpoint
from pipelines.checkpoints.shelf import remove_damaged
from pipelines.front.language import tr
from skyreels_tui.words.sizes import size


def fetch_agreed(plan: DownloadPlan, checkpoint: Checkpoint, book: DamageBook, tell: Tell) -> None:
    """Replace what `book` calls damaged and fetch the rest of the plan; what has come since it was made stays.

    Raises Changed when more would have to be fetched than the plan said, DiskFull, DownloadError, or what `tell`
    raises.
    """
    remove_damaged(checkpoint, book.damaged())
    rest = plan.as_here()
    if rest.missing_bytes > plan.missing_bytes:
        raise Changed(
            tr(
                "{rest} would have to be fetched where {agreed} were agreed, because files have gone: ask again",
                rest=size(rest.missing_bytes),
                agreed=size(plan.missing_bytes),
            )
        )
    check_room(rest)
    tell(Moved(rest.num_bytes - rest.missing_bytes, rest.num_bytes))
    download(rest, tell)

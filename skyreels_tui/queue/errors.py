"""What the queue refuses and why; every message is a sentence for a person."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pipelines.front.errors import PipelineError
from pipelines.front.language import mark, tr
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.states import HINTS, Action, why_not

Unusable = Literal["corrupt", "foreign", "missing"]
"""Damaged; not ours; gone although there has been one."""


class QueueError(PipelineError):
    """Base of what the queue refuses."""


class NoSuchJob(QueueError):
    """No row has this id."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__(tr("there is no job {id}", id=job_id))


class NoSuchFilm(QueueError):
    """No film has this name, or the job belongs to none."""


class Superseded(QueueError):
    """An attempt tried to write after a later one had begun; nothing was changed."""

    def __init__(self, job_id: int, attempt: int) -> None:
        super().__init__(
            tr("attempt {attempt} of job {id} is over: what it says is not used", attempt=attempt, id=job_id)
        )


class NotAllowed(QueueError):
    """The job is in a state in which this cannot be done."""

    def __init__(self, job_id: int, state: JobState, action: Action) -> None:
        self.job_id, self.state, self.action = job_id, state, action
        super().__init__(refusal(job_id, state, action))


class ReadOnlyQueue(QueueError):
    """The queue was written by a newer version of the program, so this one only shows it."""


class DatabaseUnusable(QueueError):
    """The database cannot be used; it is left as it is until a person chooses what to do.

    `backups` holds the good copies, newest first. Choose with `opening.restore(error, backup)` or
    `opening.start_new(error)`: both keep the bad file under another name, and take `memory` and `results` from here.
    """

    def __init__(
        self,
        path: Path,
        kind: Unusable,
        detail: str,
        backups: tuple[Path, ...],
        *,
        memory: Path | None = None,
        results: Path | None = None,
    ) -> None:
        self.path, self.kind, self.detail, self.backups = path, kind, detail, backups
        self.memory, self.results = memory, results
        match kind:
            case "corrupt":
                what = tr("{path} is damaged ({detail}).", path=path, detail=detail)
            case "missing":
                what = tr(
                    "{path} is missing or empty, but there has been a queue ({detail}).", path=path, detail=detail
                )
            case "foreign":
                what = tr("{path} is no queue of this program ({detail}).", path=path, detail=detail)
        choice = (
            tr("Nothing was changed; you can restore {backup} or start a new queue.", backup=backups[0].name)
            if backups
            else tr("Nothing was changed; you can start a new queue.")
        )
        where = tr("Open skyreels-tui to choose.")
        super().__init__(f"{what} {choice} {where}")


def refusal(job_id: int, state: JobState, action: Action) -> str:
    """Say why an action does not apply and what does: 'job 3 is running: it cannot be moved (cancel it, ...)'."""
    words = tr("job {id} is {state}: it cannot be {action}", id=job_id, state=tr(state), action=tr(action))
    why = why_not(state, action)
    return f"{words} ({tr(HINTS[why])})" if why is not None else words


class Trouble(StrEnum):
    """What keeps the queue's file from being read or written."""

    BUSY = "busy"
    FULL = "full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    BROKEN = "broken"
    CLOSED = "closed"


_CAUSES = {
    Trouble.BUSY: mark("the queue is busy: another program has been writing to {path} for a while"),
    Trouble.FULL: mark("the disk of the queue is full ({path})"),
    Trouble.READ_ONLY: mark("the queue cannot be written ({path}: {detail})"),
    Trouble.DAMAGED: mark("{path} is damaged ({detail})"),
    Trouble.BROKEN: mark("the disk of the queue reports an error ({path}: {detail})"),
    Trouble.CLOSED: mark("the queue has been closed ({path})"),
}
_ADVICE = {
    Trouble.BUSY: mark("Nothing was changed; try again."),
    Trouble.FULL: mark("Nothing was changed; make room there, then try again."),
    Trouble.READ_ONLY: mark("Nothing was changed; make the folder writable, or set SKYREELS_TUI_HOME to one that is."),
    Trouble.DAMAGED: mark("Nothing was changed; start the program again: it offers the last good copy."),
    Trouble.BROKEN: mark("Nothing was changed; look at the disk, then try again."),
    Trouble.CLOSED: mark("Nothing was changed."),
}


class QueueTrouble(QueueError):
    """The file of the queue could not be read or written this time; nothing was changed."""

    def __init__(self, trouble: Trouble, path: Path, detail: str) -> None:
        self.trouble, self.path, self.detail = trouble, path, detail
        self.cause = tr(_CAUSES[trouble], path=path, detail=detail)
        """What is wrong, without what to do: for a change that is tried again by itself."""
        super().__init__(f"{self.cause}. {tr(_ADVICE[trouble])}")

    @property
    def passes(self) -> bool:
        """True when the same change may well succeed later."""
        return self.trouble not in (Trouble.DAMAGED, Trouble.CLOSED)

"""Rows and jobs: the one pair of functions that turns one into the other, and the clock of the rows."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import NONE, Reason
from skyreels_tui.queue.states import Action, states_for

if TYPE_CHECKING:
    from pipelines.front.request import Request

_FIELDS = tuple(field.name for field in dataclasses.fields(Job))
_SCENE = "COALESCE((SELECT takes.scene_id FROM takes WHERE takes.job_id = jobs.id), 0)"
COLUMNS = ", ".join(_SCENE if name == "scene" else f"jobs.{name}" for name in _FIELDS)
"""What a statement about `jobs` selects or returns, in the order of Job's fields."""

_STATE, _REASON = _FIELDS.index("state"), _FIELDS.index("reason")
_STATES = {state.value: state for state in JobState}
_NUMBERS = {"id": int, "position": float, "run_seconds": float, "rested_s": float, "slowed_s": float,
            "step": int, "num_steps": int, "segment": int,
            "num_segments": int, "scene": int, "attempts": int, "cancel_requested": int, "deleted": int}  # fmt: skip
_KINDS: tuple[type, ...] = tuple(_NUMBERS.get(name, int if name == "retry_of" else str) for name in _FIELDS)
_AS_WRITTEN = {
    _KINDS,
    tuple(type(None) if name == "retry_of" else kind for name, kind in zip(_FIELDS, _KINDS, strict=True)),
}
"""What SQLite gives for a row of ours; it keeps any type in any column, so damage may give others."""
_FLAGS = tuple(_FIELDS.index(name) for name in ("cancel_requested", "deleted"))


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a person gives to make a job."""

    request: Request
    label: str = ""
    """'' takes a label from the task and the id."""
    batch: str = ""
    held: bool = False
    reason: Reason = NONE
    """Why it is held."""
    result_dir: str = ""
    """Where its video goes; '' means where those of this process go."""
    scene: int = 0
    """The scene of the film `batch` that it is a take of; 0 begins one."""


def job_from_row(row: sqlite3.Row | tuple[object, ...]) -> Job:
    """Build a Job from a row that was selected with COLUMNS."""
    values: list[object] = list(row)
    if tuple(map(type, values)) not in _AS_WRITTEN:
        values = [_as_written(kind, value) for kind, value in zip(_KINDS, values, strict=True)]
    # The store's opening says in the row what is odd; a reader that opens nothing shows it all the same.
    values[_STATE] = _STATES.get(str(values[_STATE]), JobState.FAILED)
    values[_REASON] = Reason.from_json(str(values[_REASON]))
    for index in _FLAGS:
        values[index] = bool(values[index])
    return Job(*values)  # type: ignore[arg-type]  # in the order of COLUMNS


def _as_written(kind: type, value: object) -> object:
    if value is None and kind is int:
        return None
    if isinstance(value, kind):
        return value
    if kind is str:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return kind(value) if isinstance(value, int | float) and abs(value) < 2**53 else kind(0)


def utc_now(clock: Callable[[], datetime] = datetime.now) -> str:
    """A wall clock as UTC ISO text, for people to read; durations never come from it."""
    return clock().astimezone(UTC).isoformat(timespec="milliseconds")


def quoted(states: Iterable[JobState]) -> str:
    """SQL list of states: "'held', 'queued'"."""
    return ", ".join(sorted(f"'{state.value}'" for state in states))


def where_allowed(action: Action) -> str:
    """SQL condition of the rows to which an action applies."""
    return f"state IN ({quoted(states_for(action))})"

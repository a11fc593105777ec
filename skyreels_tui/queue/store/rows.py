"""Rows and jobs: the one pair of functions that turns one into the other, and the clock of the rows."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Reason
from skyreels_tui.queue.states import Action, states_for

if TYPE_CHECKING:
    from pipelines.front.request import Request

_FIELDS = tuple(field.name for field in dataclasses.fields(Job))
COLUMNS = ", ".join(_FIELDS)
"""Columns of `jobs` in the order of Job's fields."""

_STATE, _REASON = _FIELDS.index("state"), _FIELDS.index("reason")
_FLAGS = tuple(_FIELDS.index(name) for name in ("cancel_requested", "deleted"))


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a person gives to make a job."""

    request: Request
    label: str = ""
    """'' takes a label from the task and the id."""
    batch: str = ""
    held: bool = False
    result_dir: str = ""
    """Where its video goes; '' means where those of this process go."""


def job_from_row(row: sqlite3.Row | tuple[object, ...]) -> Job:
    """Build a Job from a row that was selected with COLUMNS."""
    values: list[object] = list(row)
    values[_STATE] = JobState(str(values[_STATE]))
    values[_REASON] = Reason.from_json(str(values[_REASON]))
    for index in _FLAGS:
        values[index] = bool(values[index])
    return Job(*values)  # type: ignore[arg-type]


def utc_now() -> str:
    """The wall clock as UTC ISO text, for people to read; durations never come from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def quoted(states: Iterable[JobState]) -> str:
    """SQL list of states: "'held', 'queued'"."""
    return ", ".join(sorted(f"'{state.value}'" for state in states))


def where_allowed(action: Action) -> str:
    """SQL condition of the rows to which an action applies."""
    return f"state IN ({quoted(states_for(action))})"

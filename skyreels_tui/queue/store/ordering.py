"""Places in the queue as fractional positions, so that a move writes one row; knows no rules of states."""

from __future__ import annotations

import sqlite3

from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.store.rows import quoted

GAP = 1024.0
_NEIGHBOURS = 32
_UNFINISHED = f"deleted = 0 AND state NOT IN ({quoted(FINISHED)})"
"""SQL condition of the rows that have a place in the queue; the running one keeps its own, should it be paused."""
_WAITING = f"{_UNFINISHED} AND state != '{JobState.RUNNING}'"
"""SQL condition of the rows that places are counted among."""


def next_position(connection: sqlite3.Connection) -> float:
    """A position behind every row."""
    last = connection.execute("SELECT MAX(position) FROM jobs").fetchone()[0]
    return GAP if last is None else float(last) + GAP


def place_of(connection: sqlite3.Connection, job_id: int) -> int:
    """Place (from 0) of a job among the waiting ones."""
    row = connection.execute(
        f"SELECT COUNT(*) FROM jobs WHERE {_WAITING} AND (position, id) < (SELECT position, id FROM jobs WHERE id = ?)",
        (job_id,),
    ).fetchone()
    return int(row[0])


def place_at(connection: sqlite3.Connection, job_id: int, place: int) -> None:
    """Put the job directly before the one that is at `place` (from 0) among the other waiting jobs, else at the end.

    A running job before that one stays before both.
    """
    position = _free_position(connection, job_id, place)
    if position is None:
        _make_room(connection, job_id, place)
        position = _free_position(connection, job_id, place)
    connection.execute("UPDATE jobs SET position = ? WHERE id = ?", (position, job_id))


def _free_position(connection: sqlite3.Connection, job_id: int, place: int) -> float | None:
    """The middle of the gap at `place`, or None when the gap is too narrow for another number."""
    follower = connection.execute(
        f"SELECT position, id FROM jobs WHERE {_WAITING} AND id != ? ORDER BY position, id LIMIT 1 OFFSET ?",
        (job_id, max(place, 0)),
    ).fetchone()
    if follower is None:
        return next_position(connection)
    before = connection.execute(
        f"SELECT position FROM jobs WHERE {_UNFINISHED} AND id != ? AND (position, id) < (?, ?)"
        " ORDER BY position DESC, id DESC LIMIT 1",
        (job_id, *follower),
    ).fetchone()
    high = float(follower[0])
    if before is None:
        return high - GAP
    low = float(before[0])
    middle = (low + high) / 2
    return middle if low < middle < high else None


def _make_room(connection: sqlite3.Connection, job_id: int, place: int) -> None:
    """Spread the rows around `place` evenly between their outermost ones; all rows when that is too tight."""
    others = f"SELECT id, position FROM jobs WHERE {_UNFINISHED} AND id != ? ORDER BY position, id"
    first = max(place - _NEIGHBOURS, 0)
    rows = connection.execute(f"{others} LIMIT ? OFFSET ?", (job_id, 2 * _NEIGHBOURS, first)).fetchall()
    low, high = float(rows[0][1]), float(rows[-1][1])
    step = (high - low) / (len(rows) - 1)
    if step < 1e-3:
        rows = connection.execute(others, (job_id,)).fetchall()
        low, step = GAP, GAP
    connection.executemany(
        "UPDATE jobs SET position = ? WHERE id = ?",
        [(low + step * index, row[0]) for index, row in enumerate(rows)],
    )

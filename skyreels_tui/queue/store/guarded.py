"""One row inside the caller's transaction: read, changed only where `states` allows it, and what refers to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from skyreels_tui.queue.errors import NoSuchJob, NotAllowed, Superseded
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.states import Action
from skyreels_tui.queue.store import adding, scenes
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, where_allowed

SELECT = f"SELECT {COLUMNS} FROM jobs"


def read_job(connection: sqlite3.Connection, job_id: int) -> Job:
    """One row, also a deleted one; raises NoSuchJob."""
    row = connection.execute(f"{SELECT} WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise NoSuchJob(job_id)
    return job_from_row(row)


def change_job(
    connection: sqlite3.Connection,
    job_id: int,
    assignments: str,
    action: Action,
    values: tuple[object, ...] = (),
    attempt: int | None = None,
) -> Job:
    """Set columns of a row to which `action` applies; raises NoSuchJob or NotAllowed otherwise.

    With `attempt`, only that attempt may: a later one has superseded it. Raises Superseded then.
    """
    fence = "" if attempt is None else f" AND attempts = {int(attempt)}"
    rows = connection.execute(
        f"UPDATE jobs SET {assignments} WHERE id = ? AND deleted = 0 AND {where_allowed(action)}{fence}"
        f" RETURNING {COLUMNS}",
        (*values, job_id),
    ).fetchall()
    if not rows:
        job = read_job(connection, job_id)
        if job.deleted:
            raise NoSuchJob(job_id)
        if attempt is not None and job.attempts != attempt:
            raise Superseded(job_id, attempt)
        raise NotAllowed(job_id, job.state, action)
    return job_from_row(rows[0])


def settle_dependents(connection: sqlite3.Connection, job_id: int) -> list[Job]:
    """Block or unblock the jobs that refer to this one, or to its scene; returns the rows that changed."""
    film_id = scenes.film_of_job(connection, job_id)
    moved = [] if film_id is None else scenes.follow_choice(connection, film_id)
    return settle_all(connection, moved) + _settle_those_of(connection, job_id)


def settle_all(connection: sqlite3.Connection, job_ids: Sequence[int]) -> list[Job]:
    """Block or unblock these jobs; returns the rows that changed."""
    changed = []
    for job_id in job_ids:
        before = read_job(connection, job_id)
        adding.settle(connection, job_id)
        after = read_job(connection, job_id)
        if after != before:
            changed.append(after)
    return changed


def _settle_those_of(connection: sqlite3.Connection, job_id: int) -> list[Job]:
    rows = connection.execute(
        f"{SELECT} JOIN refs ON refs.job_id = jobs.id WHERE refs.target_id = ? AND jobs.{where_allowed(Action.SETTLE)}",
        (job_id,),
    ).fetchall()
    return settle_all(connection, [job_from_row(row).id for row in rows])

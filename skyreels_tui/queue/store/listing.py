"""The queue as rows in the order a person sees it; what a start shows before the queue itself is opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.connection import reading_address
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.migrations import APPLICATION_ID, SCHEMA_VERSION, schema_version
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, quoted

Found = TypeVar("Found")


def list_jobs(connection: sqlite3.Connection, *, include_finished: bool = True, limit: int | None = None) -> list[Job]:
    """The running job, the waiting ones in order, then finished ones, newest first; none deleted."""
    select, finished = f"SELECT {COLUMNS} FROM jobs WHERE deleted = 0", quoted(FINISHED)
    most = -1 if limit is None else limit
    rows = connection.execute(
        f"{select} AND state NOT IN ({finished}) ORDER BY state != 'running', position, id LIMIT ?", (most,)
    ).fetchall()
    if include_finished and (limit is None or len(rows) < limit):
        rows += connection.execute(
            f"{select} AND state IN ({finished}) ORDER BY finished_at DESC, id DESC LIMIT ?",
            (most if limit is None else limit - len(rows),),
        ).fetchall()
    return [job_from_row(row) for row in rows]


def count_scenes(connection: sqlite3.Connection) -> dict[str, int]:
    """Name of each film -> how many scenes it has, those without a job among them."""
    return dict(
        connection.execute(
            "SELECT films.name, COUNT(*) FROM scenes JOIN films ON films.id = scenes.film_id"
            " WHERE scenes.deleted = 0 GROUP BY films.id"
        ).fetchall()
    )


def first_page(folders: Folders, limit: int) -> list[Job]:
    """The first jobs of the queue, read without opening it for work; [] for whatever is no sound queue of this version.

    `opening.open_store` says in words what is wrong with such a file.
    """
    jobs = _read(folders, lambda connection: list_jobs(connection, limit=limit)) or []
    owned = OwnerLock(folders.lock).living_owner_pid() is not None
    return jobs if owned else [without_owner(job) for job in jobs]


def first_scene_counts(folders: Folders) -> dict[str, int]:
    """As `count_scenes`, read like `first_page`."""
    return _read(folders, count_scenes) or {}


def _read(folders: Folders, question: Callable[[sqlite3.Connection], Found]) -> Found | None:
    try:
        address = reading_address(folders.database)
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0.0)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            sound = application == APPLICATION_ID and schema_version(connection) == SCHEMA_VERSION
            return question(connection) if sound else None
    except sqlite3.Error:
        return None


def without_owner(job: Job) -> Job:
    """The job as it stands while nobody runs jobs: a row says 'running' until the next owner has sorted it out."""
    if job.state is not JobState.RUNNING:
        return job
    return replace(job, state=JobState.INTERRUPTED, reason=because(Code.OWNER_GONE))

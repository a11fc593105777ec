"""Films in the queue's file: which film and scene a job belongs to, and which take was chosen; changes no job."""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Sequence
from itertools import groupby

from pipelines.front.language import tr
from skyreels_tui.queue.errors import NoSuchFilm, NoSuchJob, QueueError
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.store.connection import Connection
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, utc_now

_JOB = ", ".join(f"jobs.{column}" for column in COLUMNS.split(", "))
_TAKES = (
    f"SELECT films.name, films.created_at, scenes.id, scenes.chosen, {_JOB} FROM films"
    " JOIN scenes ON scenes.film_id = films.id JOIN takes ON takes.scene_id = scenes.id"
    " JOIN jobs ON jobs.id = takes.job_id WHERE jobs.deleted = 0"
)
_OWN = 4
"""Columns before those of the job."""


class Films:
    """A scene whose takes are all deleted is hidden with them, and so is a film without a scene."""

    def __init__(self, connection: Connection) -> None:
        """Share the store's connection."""
        self._connection = connection

    def list(self) -> builtins.list[Film]:
        """Every film, newest first."""
        with self._connection.reading() as connection:
            rows = connection.execute(f"{_TAKES} ORDER BY films.id DESC, scenes.id, jobs.id").fetchall()
        return [_film(list(film)) for _, film in groupby(rows, key=lambda row: row[0])]

    def get(self, name: str) -> Film:
        """One film; raises NoSuchFilm."""
        with self._connection.reading() as connection:
            rows = connection.execute(f"{_TAKES} AND films.name = ? ORDER BY scenes.id, jobs.id", (name,)).fetchall()
        if not rows:
            raise NoSuchFilm(tr("there is no film {name!r}", name=name))
        return _film(rows)

    def choose(self, job_ids: Sequence[int]) -> None:
        """Let finished jobs stand for their scenes, all or none.

        Raises NoSuchJob, NoSuchFilm for one of no film, or QueueError for one without a clip.
        """
        with self._connection.writing() as connection:
            for job_id in job_ids:
                _choose(connection, job_id)


def _choose(connection: sqlite3.Connection, job_id: int) -> None:
    job = connection.execute("SELECT state FROM jobs WHERE id = ? AND deleted = 0", (job_id,)).fetchone()
    if job is None:
        raise NoSuchJob(job_id)
    if job[0] != JobState.DONE:
        raise QueueError(tr("job {id} has no finished clip: only one that is done can be chosen", id=job_id))
    changed = connection.execute(
        "UPDATE scenes SET chosen = ?1 WHERE id = (SELECT scene_id FROM takes WHERE job_id = ?1)", (job_id,)
    )
    if not changed.rowcount:
        raise NoSuchFilm(tr("job {id} belongs to no film: it was added without a batch", id=job_id))


def take_into_film(connection: sqlite3.Connection, job_id: int, name: str, retry_of: int | None) -> None:
    """Make a new job a take: of the scene of the job that it retries in this film, else of a scene of its own."""
    connection.execute("INSERT OR IGNORE INTO films (name, created_at) VALUES (?, ?)", (name, utc_now()))
    film_id = connection.execute("SELECT id FROM films WHERE name = ?", (name,)).fetchone()[0]
    scene = connection.execute(
        "SELECT scenes.id FROM takes JOIN scenes ON scenes.id = takes.scene_id"
        " WHERE takes.job_id = ? AND scenes.film_id = ?",
        (retry_of, film_id),
    ).fetchone()
    if scene is None:
        scene = connection.execute("INSERT INTO scenes (film_id) VALUES (?) RETURNING id", (film_id,)).fetchall()[0]
    connection.execute("INSERT INTO takes VALUES (?, ?)", (job_id, scene[0]))


def _film(rows: Sequence[Sequence[object]]) -> Film:
    """A film from its rows; scenes stand as their first takes do in the queue."""
    scenes = []
    for _, group in groupby(rows, key=lambda row: row[2]):
        own = list(group)
        picked = own[0][3]
        takes = tuple(job_from_row(tuple(row[_OWN:])) for row in own)
        scenes.append(Scene(takes, picked if isinstance(picked, int) else None))
    scenes.sort(key=lambda scene: (scene.takes[0].position, scene.takes[0].id))
    return Film(str(rows[0][0]), str(rows[0][1]), tuple(scenes))

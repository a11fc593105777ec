"""Scenes inside the caller's transaction: which job is a take of which, and which take a reference means."""

from __future__ import annotations

import sqlite3

from skyreels_tui.queue.film import FilmFacts, facts_from
from skyreels_tui.queue.model import PENDING, JobState
from skyreels_tui.queue.store.rows import quoted

_HAS_TAKE = (
    "EXISTS (SELECT 1 FROM takes JOIN jobs ON jobs.id = takes.job_id"
    " WHERE takes.scene_id = scenes.id AND jobs.deleted = 0)"
)
VISIBLE = f"scenes.deleted = 0 AND (scenes.request_json != '' OR {_HAS_TAKE})"
"""SQL condition of the scenes that a film shows: one that no person wrote goes with the last of its takes."""


def film_id_of(connection: sqlite3.Connection, name: str) -> int:
    """The film of this name, begun when there is none."""
    connection.execute("INSERT OR IGNORE INTO films (name, created_at) VALUES (?, utc_now())", (name,))
    return int(connection.execute("SELECT id FROM films WHERE name = ?", (name,)).fetchone()[0])


def next_place(connection: sqlite3.Connection, film_id: int) -> float:
    """A position behind every scene of the film."""
    last = connection.execute("SELECT MAX(position) FROM scenes WHERE film_id = ?", (film_id,)).fetchone()[0]
    return 1.0 if last is None else float(last) + 1


def take_into_film(
    connection: sqlite3.Connection, job_id: int, name: str, retry_of: int | None, scene_id: int = 0
) -> None:
    """Make a new job a take: of `scene_id`, of the scene of the job that it retries, else of a scene of its own."""
    film_id = film_id_of(connection, name)
    scene = connection.execute(
        "SELECT scenes.id FROM scenes LEFT JOIN takes ON takes.scene_id = scenes.id"
        " WHERE scenes.film_id = ? AND (scenes.id = ? OR takes.job_id = ?) LIMIT 1",
        (film_id, scene_id, retry_of),
    ).fetchone()
    if scene is None:
        place = next_place(connection, film_id)
        scene = connection.execute(
            "INSERT INTO scenes (film_id, position) VALUES (?, ?) RETURNING id", (film_id, place)
        ).fetchall()[0]
    connection.execute("INSERT INTO takes VALUES (?, ?)", (job_id, scene[0]))


def is_take(connection: sqlite3.Connection, job_id: int) -> bool:
    """Whether the job belongs to a scene of a film."""
    return connection.execute("SELECT 1 FROM takes WHERE job_id = ?", (job_id,)).fetchone() is not None


def meant(connection: sqlite3.Connection, job_id: int, name: str) -> int | None:
    """The scene of the job's film that `{{prev}}` (name '') or `{{job:NAME}}` speaks of, None where it is no scene."""
    own = connection.execute(
        "SELECT scenes.id, scenes.film_id, scenes.position FROM takes JOIN scenes ON scenes.id = takes.scene_id"
        " WHERE takes.job_id = ?",
        (job_id,),
    ).fetchone()
    if own is None:
        return None
    scene_id, film_id, position = own
    if name:
        row = connection.execute(
            f"SELECT id FROM scenes WHERE film_id = ? AND label = ? AND id != ? AND {VISIBLE}"
            " ORDER BY (position, id) < (?, ?) DESC, position DESC LIMIT 1",
            (film_id, name, scene_id, position, scene_id),
        ).fetchone()
    else:
        row = connection.execute(
            f"SELECT id FROM scenes WHERE film_id = ? AND (position, id) < (?, ?) AND {VISIBLE}"
            " ORDER BY position DESC, id DESC LIMIT 1",
            (film_id, position, scene_id),
        ).fetchone()
    return None if row is None else int(row[0])


def take_of(connection: sqlite3.Connection, scene_id: int, *, before: bool = False) -> int | None:
    """The job that stands for a scene: the chosen take, else the newest one; None before the first.

    With `before`, and where its film goes on after failures, an earlier scene's finished take stands for one that
    has failed.
    """
    film_id, position, facts = connection.execute(
        "SELECT films.id, scenes.position, films.facts FROM scenes JOIN films ON films.id = scenes.film_id"
        " WHERE scenes.id = ?",
        (scene_id,),
    ).fetchone()
    found = _shown(connection, scene_id)
    failed = found is None or found[1] in (JobState.FAILED, JobState.CANCELLED)
    if before and failed and facts_from(FilmFacts, facts).goes_on:
        rows = connection.execute(
            f"SELECT id FROM scenes WHERE film_id = ? AND (position, id) < (?, ?) AND {VISIBLE}"
            " ORDER BY position DESC, id DESC",
            (film_id, position, scene_id),
        ).fetchall()
        for row in rows:
            earlier = _shown(connection, row[0])
            if earlier is not None and earlier[1] == JobState.DONE:
                return earlier[0]
    return None if found is None else found[0]


def _shown(connection: sqlite3.Connection, scene_id: int) -> tuple[int, str] | None:
    row = connection.execute(
        "SELECT jobs.id, jobs.state FROM takes JOIN jobs ON jobs.id = takes.job_id"
        " JOIN scenes ON scenes.id = takes.scene_id WHERE takes.scene_id = ? AND jobs.deleted = 0"
        " ORDER BY jobs.state = 'done' DESC, jobs.state = 'done' AND jobs.id = scenes.chosen DESC, jobs.id DESC"
        " LIMIT 1",
        (scene_id,),
    ).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def scene_beside(connection: sqlite3.Connection, job_id: int, target: int) -> int | None:
    """The scene of `target` where it is another one of the film of `job_id`: then the reference means the scene."""
    row = connection.execute(
        "SELECT theirs.id FROM takes AS mine JOIN scenes AS own ON own.id = mine.scene_id"
        " JOIN takes AS other ON other.job_id = ? JOIN scenes AS theirs ON theirs.id = other.scene_id"
        " WHERE mine.job_id = ? AND theirs.film_id = own.film_id AND theirs.id != own.id",
        (target, job_id),
    ).fetchone()
    return None if row is None else int(row[0])


def follow_choice(connection: sqlite3.Connection, film_id: int) -> list[int]:
    """Let the references of jobs that have not begun mean the takes that stand for their scenes now.

    Returns the jobs whose references changed.
    """
    rows = connection.execute(
        "SELECT refs.job_id, refs.token, refs.target_id, refs.scene_id FROM refs"
        " JOIN takes ON takes.job_id = refs.job_id JOIN scenes ON scenes.id = takes.scene_id"
        " JOIN jobs ON jobs.id = refs.job_id WHERE scenes.film_id = ? AND refs.scene_id IS NOT NULL"
        f" AND jobs.deleted = 0 AND jobs.step = 0 AND jobs.state IN ({quoted(PENDING)})",
        (film_id,),
    ).fetchall()
    changed = []
    for job_id, token, target, scene_id in rows:
        now = take_of(connection, scene_id, before="job:" not in token)
        if now is not None and now != target:
            connection.execute("UPDATE refs SET target_id = ? WHERE job_id = ? AND token = ?", (now, job_id, token))
            changed.append(int(job_id))
    return changed


def film_of_job(connection: sqlite3.Connection, job_id: int) -> int | None:
    """The film that a job is a take in, if any."""
    row = connection.execute(
        "SELECT scenes.film_id FROM takes JOIN scenes ON scenes.id = takes.scene_id WHERE takes.job_id = ?", (job_id,)
    ).fetchone()
    return None if row is None else int(row[0])

"""Films in the queue's file: scenes in order, which job belongs to which, and which take was chosen."""

from __future__ import annotations

import builtins
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from pipelines.front.language import tr
from pipelines.front.request import Request
from pipelines.tasks import task_of
from skyreels_tui.queue.errors import NoSuchFilm, NoSuchJob, QueueError
from skyreels_tui.queue.film import (
    Film,
    FilmFacts,
    NewFilm,
    NewScene,
    Scene,
    SceneFacts,
    SceneLack,
    facts_from,
    written_facts,
)
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.states import Action
from skyreels_tui.queue.store import scenes
from skyreels_tui.queue.store.attempts import JobsListener
from skyreels_tui.queue.store.connection import Connection
from skyreels_tui.queue.store.guarded import read_job, settle_all, settle_dependents
from skyreels_tui.queue.store.listing import count_scenes
from skyreels_tui.queue.store.ordering import next_position
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, where_allowed
from skyreels_tui.requests.references import kinds_made_first

_FILM = "films.id, films.name, films.created_at, films.project, films.facts, films.kept"
_SCENE = "scenes.id, scenes.chosen, scenes.label, scenes.task_type, scenes.request_json, scenes.facts"
_OF_FILM, _OF_SCENE = 6, 6
"""Columns of each that stand before those of the job."""
_ROWS = (
    f"SELECT {_FILM}, {_SCENE}, {COLUMNS} FROM films"
    " LEFT JOIN scenes ON scenes.film_id = films.id AND scenes.deleted = 0"
    " LEFT JOIN takes ON takes.scene_id = scenes.id LEFT JOIN jobs ON jobs.id = takes.job_id AND jobs.deleted = 0"
)
_ORDER = "scenes.position, scenes.id, jobs.id"
WITH_ITS_SCENE = 2
"""`jobs.deleted` of a take that was hidden together with its scene: it comes back with it."""


class Films:
    """A scene that no person wrote is hidden with the last of its takes, and so is a film without a scene."""

    def __init__(self, connection: Connection, changed: JobsListener) -> None:
        """Share the store's connection; `changed` hears of the jobs that a change touched."""
        self._connection, self._changed = connection, changed

    # Reading

    def list(self) -> builtins.list[Film]:
        """Every film, newest first."""
        with self._connection.reading() as connection:
            rows = connection.execute(f"{_ROWS} ORDER BY films.id DESC, {_ORDER}").fetchall()
        films = [_film(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]
        return [film for film in films if film is not None]

    def get(self, name: str) -> Film:
        """One film; raises NoSuchFilm."""
        with self._connection.reading() as connection:
            return _read(connection, name)

    def scene_counts(self) -> dict[str, int]:
        """Name of each film -> how many scenes it has."""
        with self._connection.reading() as connection:
            return count_scenes(connection)

    def project_of(self, name: str) -> str:
        """The project of a film, '' where there is none."""
        with self._connection.reading() as connection:
            row = connection.execute("SELECT project FROM films WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def lacking(self) -> builtins.list[SceneLack]:
        """What is to be made now for scenes, in the order of the queue: what is asked for, or a take waits for."""
        with self._connection.reading() as connection:
            rows = connection.execute(
                "SELECT films.name, scenes.id, scenes.facts, jobs.request_json, jobs.task_type"
                " FROM scenes JOIN films ON films.id = scenes.film_id"
                " LEFT JOIN takes ON takes.scene_id = scenes.id LEFT JOIN jobs ON jobs.id = takes.job_id"
                " AND jobs.deleted = 0 AND jobs.state = 'blocked' WHERE scenes.deleted = 0"
                ' AND (scenes.facts LIKE \'%"asked": "_%\' OR jobs.id IS NOT NULL)'
                " ORDER BY jobs.position IS NULL, jobs.position, scenes.position, scenes.id",
            ).fetchall()
        found: dict[tuple[int, str], SceneLack] = {}
        for film, scene_id, text, request, task in rows:
            asked = facts_from(SceneFacts, text).asked
            kinds = {asked} if asked else set()
            kinds |= set() if request is None else kinds_made_first(request, task)
            for kind in sorted(kinds):
                found.setdefault((scene_id, kind), SceneLack(film, scene_id, kind))
        return list(found.values())

    def take_help(self, scene: Scene, requests: Mapping[int, Request]) -> None:
        """Store a scene with what was made for it, and give waiting takes the requests that have it too."""
        with self._connection.writing() as connection:
            _write(connection, scene)
            ids = []
            for job_id, request in requests.items():
                done = connection.execute(
                    f"UPDATE jobs SET request_json = ? WHERE id = ? AND {where_allowed(Action.EDIT)} RETURNING id",
                    (request.to_json(), job_id),
                ).fetchall()
                ids += [int(row[0]) for row in done]
            jobs = settle_all(connection, ids)
        self._changed(jobs)

    def refuse_help(self, scene: Scene, job_ids: Sequence[int], error: str) -> None:
        """Store a scene for which nothing could be made; the takes that cannot do without it have failed."""
        with self._connection.writing() as connection:
            _write(connection, scene)
            jobs: builtins.list[Job] = []
            for job_id in job_ids:
                rows = connection.execute(
                    "UPDATE jobs SET state = 'failed', error = ?, reason = '', finished_at = utc_now(),"
                    " attempts = attempts + 1 WHERE id = ? AND deleted = 0"
                    f" AND {where_allowed(Action.REFUSE)} RETURNING id",
                    (error, job_id),
                ).fetchall()
                for row in rows:
                    jobs += [read_job(connection, int(row[0])), *settle_dependents(connection, int(row[0]))]
        self._changed(jobs)

    # Writing

    def create(self, *new: NewFilm, result_dir: str = "") -> builtins.list[Film]:
        """Begin films, all or none; raises QueueError for a name that is taken."""
        jobs: builtins.list[Job] = []
        with self._connection.writing() as connection:
            for film in new:
                film_id = scenes.film_id_of(connection, film.name)
                if _is_shown(connection, film_id):
                    raise QueueError(tr("there is a film {name!r} already", name=film.name))
                connection.execute(
                    "UPDATE films SET kept = 1, project = ?, facts = ? WHERE id = ?",
                    (film.project, written_facts(film.facts), film_id),
                )
                jobs += _insert(connection, film_id, film.name, film.scenes, result_dir)
            films = [_read(connection, film.name) for film in new]
        self._changed(jobs)
        return films

    def set(self, name: str, *, project: str | None = None, facts: FilmFacts | None = None) -> Film:
        """Change the project of what is made from now on, or what is known of a film; raises NoSuchFilm."""
        with self._connection.writing() as connection:
            film_id = _id_of(connection, name)
            if project is not None:
                connection.execute("UPDATE films SET project = ? WHERE id = ?", (project, film_id))
            if facts is not None:
                connection.execute("UPDATE films SET facts = ?, kept = 1 WHERE id = ?", (written_facts(facts), film_id))
            jobs = settle_all(connection, scenes.follow_choice(connection, film_id))
            film = _read(connection, name)
        self._changed(jobs)
        return film

    def add(
        self, name: str, new: Sequence[NewScene], result_dir: str, places: Sequence[int] | None = None
    ) -> builtins.list[int]:
        """Add scenes, with their finished clips as takes; returns their ids.

        They stand at the end, or each at its place (from 0, in the order that comes of it, rising) of `places`.
        """
        with self._connection.writing() as connection:
            film_id = _id_of(connection, name)
            before = connection.execute("SELECT MAX(id) FROM scenes").fetchone()[0] or 0
            order = [scene.id for scene in _read(connection, name).scenes]
            jobs = _insert(connection, film_id, name, new, result_dir)
            rows = connection.execute("SELECT id FROM scenes WHERE id > ? ORDER BY id", (before,)).fetchall()
            ids = [int(row[0]) for row in rows]
            if places is not None:
                for place, scene_id in zip(places, ids, strict=True):
                    order.insert(place, scene_id)
                jobs += _order(connection, film_id, order)
        self._changed(jobs)
        return ids

    def write(self, scene: Scene) -> None:
        """Store label, request and facts of a scene; its takes stay as they are."""
        with self._connection.writing() as connection:
            _write(connection, scene)

    def move(self, name: str, scene_id: int, place: int) -> Film:
        """Move a scene to a place (from 0); what has not begun refers to the scene before it in the new order."""
        with self._connection.writing() as connection:
            film_id = _id_of(connection, name)
            order = [scene.id for scene in _read(connection, name).scenes if scene.id != scene_id]
            order.insert(max(place, 0), scene_id)
            jobs = _order(connection, film_id, order)
            film = _read(connection, name)
        self._changed(jobs)
        return film

    def remove(self, name: str, scene_ids: Sequence[int]) -> None:
        """Hide scenes with their takes; raises QueueError while one of these runs."""
        self._hide(name, scene_ids, "deleted = 0 AND state != 'running'", WITH_ITS_SCENE, hidden=True)

    def restore(self, name: str, scene_ids: Sequence[int]) -> None:
        """Bring hidden scenes back, with the takes that were hidden with them."""
        self._hide(name, scene_ids, f"deleted = {WITH_ITS_SCENE}", 0, hidden=False)

    def _hide(self, name: str, scene_ids: Sequence[int], which: str, mark: int, *, hidden: bool) -> None:
        jobs: builtins.list[Job] = []
        with self._connection.writing() as connection:
            film_id = _id_of(connection, name)
            for scene_id in scene_ids:
                takes = "id IN (SELECT job_id FROM takes WHERE scene_id = ?)"
                runs = connection.execute(f"SELECT id FROM jobs WHERE state = 'running' AND {takes}", (scene_id,))
                if hidden and (row := runs.fetchone()) is not None:
                    words = tr("job {id} of this scene runs: cancel it, or wait until it has ended", id=row[0])
                    raise QueueError(words)
                connection.execute(
                    "UPDATE scenes SET deleted = ? WHERE id = ? AND film_id = ?", (int(hidden), scene_id, film_id)
                )
                rows = connection.execute(
                    f"UPDATE jobs SET deleted = ? WHERE {which} AND {takes} RETURNING id", (mark, scene_id)
                ).fetchall()
                jobs += [read_job(connection, row[0]) for row in rows]
            jobs += settle_all(connection, _link_again(connection, film_id))
        self._changed(jobs)

    def hidden(self, name: str) -> builtins.list[int]:
        """Ids of the scenes that were removed; raises NoSuchFilm."""
        with self._connection.reading() as connection:
            film_id = _id_of(connection, name)
            rows = connection.execute("SELECT id FROM scenes WHERE film_id = ? AND deleted = 1", (film_id,)).fetchall()
        return [int(row[0]) for row in rows]

    def choose(self, job_ids: Sequence[int]) -> None:
        """Let finished jobs stand for their scenes, all or none.

        Raises NoSuchJob, NoSuchFilm for one of no film, or QueueError for one without a clip.
        """
        with self._connection.writing() as connection:
            films = {_choose(connection, job_id) for job_id in job_ids}
            jobs = [job for film in films for job in settle_all(connection, scenes.follow_choice(connection, film))]
        self._changed(jobs)


def _write(connection: sqlite3.Connection, scene: Scene) -> None:
    done = connection.execute(
        "UPDATE scenes SET label = ?, task_type = ?, request_json = ?, facts = ? WHERE id = ?",
        (scene.label, scene.task_type, scene.request_json, written_facts(scene.facts), scene.id),
    )
    if not done.rowcount:
        raise NoSuchFilm(tr("this scene is in no film any more"))


def _choose(connection: sqlite3.Connection, job_id: int) -> int:
    """Mark one take; returns its film."""
    job = connection.execute("SELECT state FROM jobs WHERE id = ? AND deleted = 0", (job_id,)).fetchone()
    if job is None:
        raise NoSuchJob(job_id)
    if job[0] != JobState.DONE:
        raise QueueError(tr("job {id} has no finished clip: only one that is done can be chosen", id=job_id))
    film = scenes.film_of_job(connection, job_id)
    if film is None:
        raise NoSuchFilm(tr("job {id} belongs to no film: it was added without a batch", id=job_id))
    connection.execute(
        "UPDATE scenes SET chosen = ?1 WHERE id = (SELECT scene_id FROM takes WHERE job_id = ?1)", (job_id,)
    )
    return film


def _id_of(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT id FROM films WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NoSuchFilm(tr("there is no film {name!r}", name=name))
    return int(row[0])


def _is_shown(connection: sqlite3.Connection, film_id: int) -> bool:
    row = connection.execute(
        f"SELECT kept OR EXISTS (SELECT 1 FROM scenes WHERE film_id = films.id AND {scenes.VISIBLE})"
        " FROM films WHERE id = ?",
        (film_id,),
    ).fetchone()
    return bool(row[0])


def _insert(
    connection: sqlite3.Connection, film_id: int, name: str, new: Iterable[NewScene], result_dir: str
) -> list[Job]:
    """Insert scenes at the end; returns the finished jobs that stand for clips which are there."""
    jobs = []
    for scene in new:
        task = task_of(scene.request).name
        text = scene.request.to_json()
        scene_id = connection.execute(
            "INSERT INTO scenes (film_id, position, label, task_type, request_json, facts)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            (film_id, scenes.next_place(connection, film_id), scene.label, task, text, written_facts(scene.facts)),
        ).fetchall()[0][0]
        if scene.output:
            (now,) = connection.execute("SELECT utc_now()").fetchone()
            job_id = connection.execute(
                "INSERT INTO jobs (label, task_type, request_json, state, position, created_at, finished_at, output,"
                " batch, result_dir) VALUES (?, ?, ?, 'done', ?, ?, ?, ?, ?, ?) RETURNING id",
                (scene.label, task, text, next_position(connection), now, now, scene.output, name, result_dir),
            ).fetchall()[0][0]
            connection.execute("INSERT INTO takes VALUES (?, ?)", (job_id, scene_id))
            jobs.append(read_job(connection, job_id))
    return jobs


def _order(connection: sqlite3.Connection, film_id: int, order: Sequence[int]) -> list[Job]:
    """Let the scenes stand in this order; returns the jobs that this has changed."""
    connection.executemany(
        "UPDATE scenes SET position = ? WHERE id = ?", [(float(n), one) for n, one in enumerate(order, 1)]
    )
    return settle_all(connection, _link_again(connection, film_id))


def _link_again(connection: sqlite3.Connection, film_id: int) -> list[int]:
    """After scenes have moved: let `{{prev}}` of what has not begun mean the scene before it; returns those jobs."""
    rows = connection.execute(
        "SELECT refs.job_id, refs.token, refs.scene_id FROM refs JOIN takes ON takes.job_id = refs.job_id"
        " JOIN scenes ON scenes.id = takes.scene_id JOIN jobs ON jobs.id = refs.job_id"
        " WHERE scenes.film_id = ? AND refs.token NOT LIKE '%job:%' AND jobs.step = 0 AND jobs.state != 'done'",
        (film_id,),
    ).fetchall()
    for job_id, token, scene_id in rows:
        before = scenes.meant(connection, job_id, "")
        if before is not None and before != scene_id:
            connection.execute("UPDATE refs SET scene_id = ? WHERE job_id = ? AND token = ?", (before, job_id, token))
    return scenes.follow_choice(connection, film_id)


def _read(connection: sqlite3.Connection, name: str) -> Film:
    rows = connection.execute(f"{_ROWS} WHERE films.name = ? ORDER BY {_ORDER}", (name,)).fetchall()
    film = _film(rows) if rows else None
    if film is None:
        raise NoSuchFilm(tr("there is no film {name!r}", name=name))
    return film


def _film(rows: Sequence[Sequence[object]]) -> Film | None:
    """A film from its rows; None for one that is hidden."""
    shown = []
    for _, group in groupby(rows, key=lambda row: row[_OF_FILM]):
        scene = _scene(list(group))
        if scene is not None:
            shown.append(scene)
    _, name, created_at, project, facts, kept = rows[0][:_OF_FILM]
    if not shown and not kept:
        return None
    return Film(str(name), str(created_at), tuple(shown), str(project), facts_from(FilmFacts, str(facts)))


def _scene(rows: Sequence[Sequence[object]]) -> Scene | None:
    scene_id, picked, label, task, request, facts = rows[0][_OF_FILM : _OF_FILM + _OF_SCENE]
    if not isinstance(scene_id, int):
        return None
    own = [tuple(row[_OF_FILM + _OF_SCENE :]) for row in rows]
    takes = tuple(job_from_row(row) for row in own if row[0] is not None)
    if not takes and not request:
        return None
    chosen = picked if isinstance(picked, int) else None
    return Scene(scene_id, takes, chosen, str(label), str(task), str(request), facts_from(SceneFacts, str(facts)))

"""Putting rows into the queue: labels, places and references, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import tr
from pipelines.front.request import Request
from pipelines.tasks import task_named, task_of
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import NONE, Code, Reason, because
from skyreels_tui.queue.states import Action
from skyreels_tui.queue.store import scenes
from skyreels_tui.queue.store.ordering import GAP, next_position
from skyreels_tui.queue.store.rows import COLUMNS, NewJob, job_from_row, where_allowed
from skyreels_tui.requests.references import kinds_made_first, made_first, references, token_name

_INSERT = (
    "INSERT INTO jobs (label, task_type, request_json, state, position, created_at, batch, result_dir,"
    " retry_of) VALUES (?, ?, ?, ?, ?, utc_now(), ?, ?, ?) RETURNING id"
)


_REQUEST = "SELECT request_json, task_type FROM jobs WHERE id = ?"


def insert_jobs(connection: sqlite3.Connection, entries: Sequence[NewJob]) -> list[Job]:
    """Insert all entries at the end of the queue; raises InvalidRequest naming entry and field."""
    previous = _last_job(connection)
    position = next_position(connection)
    problems: list[Problem] = []
    ids: list[int] = []
    linked: list[tuple[int, NewJob]] = []
    for index, entry in enumerate(entries):
        job_id = insert_row(connection, entry, position + GAP * index)
        ids.append(job_id)
        if references(entry.request):
            linked.append((index, entry))
    for index, entry in linked:
        before = ids[index - 1] if index else previous
        found = link(connection, ids[index], entry.request, first_id=ids[0], previous=before)
        prefix = tr("entry {number}", number=index + 1) + "." if len(entries) > 1 else ""
        problems += [Problem(prefix + problem.field, problem.message) for problem in found]
    if problems:
        raise InvalidRequest(problems)
    for index, entry in enumerate(entries):
        if references(entry.request) or made_first(entry.request):
            settle(connection, ids[index])
    return read_many(connection, ids)


def insert_row(connection: sqlite3.Connection, entry: NewJob, position: float, retry_of: int | None = None) -> int:
    """Insert one row without references; returns its id."""
    task = task_of(entry.request).name
    state = JobState.HELD if entry.held else JobState.QUEUED
    about = (entry.label, task, entry.request.to_json(), state, position, entry.batch, entry.result_dir)
    job_id = int(connection.execute(_INSERT, (*about, retry_of)).fetchall()[0][0])
    if not entry.label:
        label = f"{task_named(task).short}-{job_id}"
        connection.execute("UPDATE jobs SET label = ? WHERE id = ?", (label, job_id))
    if entry.held and entry.reason:
        connection.execute("UPDATE jobs SET reason = ? WHERE id = ?", (entry.reason.to_json(), job_id))
    if entry.batch:
        scenes.take_into_film(connection, job_id, entry.batch, retry_of, entry.scene)
    return job_id


def read_many(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Job]:
    """Rows of freshly inserted `ids`, in their order."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM jobs WHERE id BETWEEN ? AND ? ORDER BY id", (min(ids), max(ids)))
    wanted = set(ids)
    return [job for job in map(job_from_row, rows) if job.id in wanted]


def link(
    connection: sqlite3.Connection, job_id: int, request: Request, *, first_id: int, previous: int | None
) -> list[Problem]:
    """Store what the request refers to; returns missing names and cycles as problems.

    Rows from `first_id` on were added together and are looked at first; `previous` is what `{{prev}}` means outside
    films: in one it is never a job that happens to stand in the queue before it.
    """
    problems = []
    connection.execute("DELETE FROM refs WHERE job_id = ?", (job_id,))
    in_film = scenes.is_take(connection, job_id)
    for text, field in references(request).items():
        name = token_name(text) or ""
        scene = scenes.meant(connection, job_id, name)
        if scene is not None:
            target = scenes.take_of(connection, scene, before=not name)
        elif name:
            target = _find(connection, job_id, name, first_id)
        else:
            target = None if in_film else previous
        if target is None:
            if in_film and not name and scene is None:
                missing = tr(
                    "{token}: no scene stands before this one; {example} names any job",
                    token=text,
                    example="{{job:...}}",
                )
            elif scene is not None:
                missing = tr("{token}: that scene has no take yet", token=text)
            elif name:
                missing = tr("{token}: there is no job {name!r}", token=text, name=name)
            else:
                missing = tr("{token}: no job stands before this one", token=text)
            problems.append(Problem(field, missing))
            continue
        if scene is None:
            scene = scenes.scene_beside(connection, job_id, target)
        connection.execute(
            "INSERT INTO refs (job_id, token, target_id, scene_id) VALUES (?, ?, ?, ?)", (job_id, text, target, scene)
        )
        if _reaches(connection, target, job_id):
            problems.append(Problem(field, tr("{token}: this job would wait for itself", token=text)))
    return problems


def settle(connection: sqlite3.Connection, job_id: int) -> None:
    """Set a queued or blocked job to what its references allow, with the reason."""
    reason = waiting_reason(connection, job_id)
    state = JobState.BLOCKED if reason else JobState.QUEUED
    connection.execute(
        f"UPDATE jobs SET state = ?, reason = ? WHERE id = ? AND {where_allowed(Action.SETTLE)}",
        (state, reason.to_json(), job_id),
    )


def waiting_reason(connection: sqlite3.Connection, job_id: int) -> Reason:
    """Why a job must wait for another one, or for what is made for it, if it must."""
    kinds = kinds_made_first(*connection.execute(_REQUEST, (job_id,)).fetchone())
    if kinds:
        return because(Code.WAITS_FOR_VOICE if "voice" in kinds else Code.WAITS_FOR_PICTURE)
    rows = connection.execute(
        "SELECT jobs.id, jobs.state, jobs.deleted FROM refs JOIN jobs ON jobs.id = refs.target_id"
        " WHERE refs.job_id = ? AND jobs.state != 'done'"
        " ORDER BY jobs.state NOT IN ('failed', 'cancelled'), jobs.id LIMIT 1",
        (job_id,),
    ).fetchall()
    if not rows:
        return NONE
    target, state, deleted = rows[0]
    if state == JobState.FAILED:
        return because(Code.JOB_FAILED, id=target)
    if state == JobState.CANCELLED:
        return because(Code.JOB_CANCELLED, id=target)
    return because(Code.JOB_DELETED if deleted else Code.WAITS_FOR_JOB, id=target)


def outputs_of_references(connection: sqlite3.Connection, job_id: int) -> Mapping[str, str]:
    """Reference text -> output path of the job it means."""
    return dict(
        connection.execute(
            "SELECT refs.token, jobs.output FROM refs JOIN jobs ON jobs.id = refs.target_id"
            " WHERE refs.job_id = ? AND jobs.output != ''",
            (job_id,),
        ).fetchall()
    )


def previous_job(connection: sqlite3.Connection, job_id: int) -> int | None:
    """The job that stands right before this one, whatever its state."""
    row = connection.execute(
        "SELECT id FROM jobs WHERE deleted = 0 AND (position, id) <"
        " (SELECT position, id FROM jobs WHERE id = ?) ORDER BY position DESC, id DESC LIMIT 1",
        (job_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def _last_job(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT id FROM jobs WHERE deleted = 0 ORDER BY position DESC, id DESC LIMIT 1").fetchone()
    return None if row is None else int(row[0])


def _find(connection: sqlite3.Connection, job_id: int, name: str, first_id: int) -> int | None:
    """Newest job with this label, those added together first; else the job with this number; '#12' is a number."""
    if name.startswith("#") and name[1:].isascii() and name[1:].isdigit():
        row = connection.execute("SELECT id FROM jobs WHERE id = ? AND deleted = 0", (int(name[1:19]),)).fetchone()
        if row is not None:
            return int(row[0])
    row = connection.execute(
        "SELECT id FROM jobs WHERE label = ? AND deleted = 0 ORDER BY id = ?, id >= ? DESC, id DESC LIMIT 1",
        (name, job_id, first_id),
    ).fetchone()
    if row is None and name.isascii() and name.isdigit():
        row = connection.execute("SELECT id FROM jobs WHERE id = ? AND deleted = 0", (int(name[:18]),)).fetchone()
    return None if row is None else int(row[0])


def _reaches(connection: sqlite3.Connection, start: int, goal: int) -> bool:
    """True when `start` is `goal` or waits for it, directly or through others."""
    row = connection.execute(
        "WITH RECURSIVE above (id) AS (SELECT ? UNION SELECT target_id FROM refs JOIN above ON job_id = id)"
        " SELECT 1 FROM above WHERE id = ?",
        (start, goal),
    ).fetchone()
    return row is not None

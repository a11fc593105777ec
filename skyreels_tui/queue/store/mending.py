"""Rows that this program cannot run: each becomes a failed job that names what is odd, so that the rest goes on."""

from __future__ import annotations

import sqlite3

from pipelines.front.documents import read_json
from pipelines.front.language import tr
from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.store.rows import quoted


def mend_rows(connection: sqlite3.Connection) -> list[int]:
    """Fail the rows with an unknown state, and unfinished ones whose task or request cannot be read.

    What a row held stays in it; only its state and error change. Returns the numbers of those jobs.
    """
    odd = {**_odd_states(connection), **_odd_requests(connection)}
    if not odd:
        return []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job_id, error in odd.items():
            connection.execute(
                "UPDATE jobs SET state = 'failed', error = ?, cancel_requested = 0,"
                " finished_at = CASE finished_at WHEN '' THEN utc_now() ELSE finished_at END WHERE id = ?",
                (error, job_id),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return sorted(odd)


def _odd_states(connection: sqlite3.Connection) -> dict[int, str]:
    rows = connection.execute(f"SELECT id, state FROM jobs WHERE state NOT IN ({quoted(JobState)})").fetchall()
    return {
        int(job_id): tr(
            "this row of the queue cannot be read: its state is {state!r}; retry it, or delete it",
            state=str(state)[:40],
        )
        for job_id, state in rows
    }


def _odd_requests(connection: sqlite3.Connection) -> dict[int, str]:
    rows = connection.execute(
        f"SELECT id, task_type, request_json FROM jobs WHERE state NOT IN ({quoted(FINISHED)}) AND deleted = 0"
    ).fetchall()
    if not rows:
        return {}
    # Loaded where there is something to run, which needs them anyway.
    from pipelines.tasks import WORK

    types = {task.name: task.request_type for task in WORK}
    odd = {}
    for job_id, task_type, text in rows:
        if task_type not in types:
            odd[int(job_id)] = tr(
                "this row of the queue cannot be read: no task is called {name!r}; delete it, or update the program",
                name=str(task_type)[:40],
            )
            continue
        try:
            content = read_json(text)
            # Thousands are looked at when a queue is opened: none is built.
            types[task_type].refuse_unknown(content if isinstance(content, dict) else {"?": content})
        except (ValueError, TypeError):
            odd[int(job_id)] = tr("this row of the queue cannot be read: its request is damaged; delete it")
    return odd

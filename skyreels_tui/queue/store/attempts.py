"""What the runner writes: claiming a job, its steps, its end, and what is left of a process that died."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress

from skyreels_tui.files.boot_clock import boot_time
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, Reason, Value, because
from skyreels_tui.queue.states import Action
from skyreels_tui.queue.store.connection import Connection
from skyreels_tui.queue.store.guarded import change_job, read_job, settle_dependents
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, where_allowed

JobsListener = Callable[[Sequence[Job]], None]
"""Called after a commit, on the writing thread, with the new content of the rows it touched."""

GIVING_UP_S = 1.0


def ignore_changes(_: Sequence[Job]) -> None:
    """The default for `changed`: nobody listens."""


class Attempts:
    """The transitions into and out of RUNNING; any thread may call any method.

    What is written with an `attempt` is written by that attempt alone: raises Superseded once a later one has begun.
    """

    def __init__(self, connection: Connection, changed: JobsListener, stem: Callable[[Job], str]) -> None:
        """`changed` hears of the rows after each commit; `stem` names a job's result file at its first claim."""
        self._connection, self._changed, self._stem = connection, changed, stem

    def claim(self, only: Sequence[int] | None = None, worker: str = "", *, boot: str | None = None) -> Job | None:
        """Give a worker the first queued job, unless it runs one already: one statement, so no two runners can.

        None while the queue is paused: between the look at a job and its claim an engine may load for seconds.

        `boot` names this boot of the machine; it is read where left out.
        """
        condition = "" if only is None else f" AND id IN ({', '.join(str(int(one)) for one in only)})"
        with self._connection.writing() as connection:
            rows = connection.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, cancel_requested = 0,"
                " worker = ?, reason = '', error = '', traceback = '', boot = ?,"
                " started_at = CASE started_at WHEN '' THEN utc_now() ELSE started_at END"
                " WHERE id = (SELECT id FROM jobs"
                f" WHERE {where_allowed(Action.CLAIM)} AND deleted = 0 {condition} ORDER BY position, id LIMIT 1)"
                " AND NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND worker = ?)"
                " AND NOT EXISTS (SELECT 1 FROM control WHERE key = 'pause' AND value != '')"
                f" RETURNING {COLUMNS}",
                (worker, boot_time().boot if boot is None else boot, worker),
            ).fetchall()
            if not rows:
                return None
            job = job_from_row(rows[0])
            if not job.output_stem:
                job = change_job(connection, job.id, "output_stem = ?", Action.ADVANCE, (self._stem(job),))
        self._changed([job])
        return job

    def update_step(
        self,
        job_id: int,
        *,
        stage: str,
        step: int,
        num_steps: int,
        segment: int,
        num_segments: int,
        run_seconds: float,
        attempt: int | None = None,
    ) -> Job:
        """Write where the running job stands; the returned row says whether it is to be cancelled."""
        assignments = "stage = ?, step = ?, num_steps = ?, segment = ?, num_segments = ?, run_seconds = ?"
        values = (stage, step, num_steps, segment, num_segments, run_seconds)
        return self._end(job_id, assignments, Action.ADVANCE, values, attempt, settle=False)

    def finish(self, job_id: int, *, output: str, suspect: str, run_seconds: float, attempt: int | None = None) -> Job:
        """running -> done, and unblock what waited for it; the output must already be durable."""
        assignments = "state = 'done', output = ?, suspect = ?, run_seconds = ?, finished_at = utc_now(), reason = ''"
        return self._end(job_id, assignments, Action.FINISH, (output, suspect, run_seconds), attempt)

    def fail(
        self, job_id: int, *, error: str, traceback: str = "", run_seconds: float, attempt: int | None = None
    ) -> Job:
        """running -> failed; jobs that refer to it stay blocked and say so."""
        assignments = "state = 'failed', error = ?, traceback = ?, run_seconds = ?, finished_at = utc_now()"
        return self._end(job_id, assignments, Action.FAIL, (error, traceback, run_seconds), attempt)

    def cancelled(self, job_id: int, *, run_seconds: float, attempt: int | None = None) -> Job:
        """running -> cancelled, at the step edge where it stopped."""
        assignments = "state = 'cancelled', run_seconds = ?, finished_at = utc_now()"
        return self._end(job_id, assignments, Action.STOP, (run_seconds,), attempt)

    def interrupt(self, job_id: int, *, reason: Reason, run_seconds: float, attempt: int | None = None) -> Job:
        """running -> interrupted: stopped in order, its steps are kept."""
        assignments = "state = 'interrupted', reason = ?, run_seconds = ?"
        return self._end(job_id, assignments, Action.INTERRUPT, (reason.to_json(), run_seconds), attempt)

    def give_up(self, job_id: int, *, reason: Reason) -> None:
        """running -> interrupted within a second, or not at all: for a handler that must not wait, nor fail."""
        if self._connection.is_mine():
            return
        # The next owner sorts out what is not marked.
        with suppress(QueueError), self._connection.writing(GIVING_UP_S) as connection:
            connection.execute(
                f"UPDATE jobs SET state = 'interrupted', reason = ? WHERE id = ? AND {where_allowed(Action.INTERRUPT)}",
                (reason.to_json(), job_id),
            )

    def requeue(self, job_id: int, *, reason: Reason, run_seconds: float, attempt: int | None = None) -> Job:
        """running -> queued: it goes on at its stored step as soon as the queue does."""
        assignments = "state = 'queued', reason = ?, run_seconds = ?"
        return self._end(job_id, assignments, Action.REQUEUE, (reason.to_json(), run_seconds), attempt)

    def set_aside(self, job_id: int, *, reason: Reason, run_seconds: float, attempt: int | None = None) -> Job:
        """running -> held: a person has to decide; `reason` asks the question."""
        assignments = "state = 'held', reason = ?, run_seconds = ?"
        return self._end(job_id, assignments, Action.SET_ASIDE, (reason.to_json(), run_seconds), attempt)

    def lost(self, job_id: int, *, reason: Reason, run_seconds: float, attempt: int) -> Job:
        """running -> queued: its worker is gone, and another goes on; held the second time at the same place."""
        with self._connection.writing() as connection:
            change_job(connection, job_id, "run_seconds = ?", Action.ADVANCE, (run_seconds,), attempt)
            job = self._bury(connection, read_job(connection, job_id), boot_time().boot)
            if job.state == JobState.INTERRUPTED:
                connection.execute(
                    "UPDATE jobs SET state = 'queued', reason = ? WHERE id = ?", (reason.to_json(), job_id)
                )
                job = read_job(connection, job_id)
        self._changed([job])
        return job

    def add_heat(self, job_id: int, *, rested_s: float, slowed_s: float) -> None:
        """Add to what the job's attempts rested and ran slowed down, whatever its state."""
        with self._connection.writing() as connection:
            connection.execute(
                "UPDATE jobs SET rested_s = rested_s + ?, slowed_s = slowed_s + ? WHERE id = ?",
                (rested_s, slowed_s, job_id),
            )
            job = read_job(connection, job_id)
        self._changed([job])

    def note(self, job_id: int, reason: Reason) -> None:
        """Say at a queued job why it does not start."""
        with self._connection.writing() as connection:
            job = change_job(connection, job_id, "reason = ?", Action.NOTE, (reason.to_json(),))
        self._changed([job])

    def recover(self, *, auto_resume: bool, boot: str | None = None) -> list[Job]:
        """Sort out what a dead owner left: call once, holding the lock. Returns the rows that changed.

        The job that ran becomes interrupted, or queued with `auto_resume`; one that died twice in a row at
        the same place, or with whom the machine went down twice wherever it was, is held, so that a job which takes
        the machine down cannot do so for ever. `boot` names this boot of the machine; it is read where left out.
        """
        boot = boot_time().boot if boot is None else boot
        touched = []
        with self._connection.writing() as connection:
            for row in connection.execute(f"SELECT {COLUMNS} FROM jobs WHERE {where_allowed(Action.BURY)}").fetchall():
                touched.append(self._bury(connection, job_from_row(row), boot))
            if auto_resume:
                rows = connection.execute(
                    "UPDATE jobs SET state = 'queued', reason = ''"
                    f" WHERE {where_allowed(Action.RESUME)} AND deleted = 0 RETURNING {COLUMNS}"
                ).fetchall()
                resumed = [job_from_row(row) for row in rows]
                kept = {job.id for job in resumed}
                touched = [job for job in touched if job.id not in kept] + resumed
        if touched:
            self._changed(touched)
        return touched

    def _bury(self, connection: sqlite3.Connection, job: Job, boot: str) -> Job:
        """Mark a job whose process died, alone or with the machine, and hold it the second time."""
        place = f"{job.stage}/{job.segment}/{job.step}"
        (then,) = connection.execute("SELECT boot FROM jobs WHERE id = ?", (job.id,)).fetchone()
        went_down = bool(then and boot and then != boot)
        connection.execute("UPDATE jobs SET reboots = reboots + ? WHERE id = ?", (int(went_down), job.id))
        connection.execute(
            "UPDATE jobs SET deaths = CASE died_at WHEN ? THEN deaths + 1 ELSE 1 END, died_at = ? WHERE id = ?",
            (place, place, job.id),
        )
        if job.cancel_requested:
            cancelled = "UPDATE jobs SET state = 'cancelled', finished_at = utc_now() WHERE id = ?"
            connection.execute(cancelled, (job.id,))
            settle_dependents(connection, job.id)
            return read_job(connection, job.id)
        place_of = place_values(job)
        connection.execute(
            "UPDATE jobs SET state = 'interrupted', reason = ? WHERE id = ?",
            (because(Code.MACHINE_DOWN if went_down else Code.INTERRUPTED, **place_of).to_json(), job.id),
        )
        deaths, reboots = connection.execute("SELECT deaths, reboots FROM jobs WHERE id = ?", (job.id,)).fetchone()
        if deaths >= 2 or (went_down and reboots >= 2):
            code = Code.MACHINE_DOWN_TWICE if went_down and reboots >= 2 else Code.DIED_TWICE
            reason = because(code, **place_of)
            connection.execute("UPDATE jobs SET state = 'held', reason = ? WHERE id = ?", (reason.to_json(), job.id))
        return read_job(connection, job.id)

    def _end(
        self,
        job_id: int,
        assignments: str,
        action: Action,
        values: tuple[object, ...],
        attempt: int | None,
        *,
        settle: bool = True,
    ) -> Job:
        with self._connection.writing() as connection:
            job = change_job(connection, job_id, assignments, action, values, attempt)
            touched = [job, *(settle_dependents(connection, job_id) if settle else ())]
        self._changed(touched)
        return job


def place_values(job: Job) -> dict[str, Value]:
    """Where a job stands, as the values of a reason."""
    values: dict[str, Value] = {}
    if job.stage and (job.stage != "denoise" or not job.num_steps):
        values["stage"] = job.stage
    if job.num_steps:
        values |= {"step": job.step, "num_steps": job.num_steps}
        if job.num_segments > 1:
            values |= {"part": job.segment + 1, "num_parts": job.num_segments}
    return values

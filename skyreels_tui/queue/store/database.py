"""The queue's connection: transactions, notices of change, and everything that only reads."""

from __future__ import annotations

import builtins
import json
import re
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from pipelines.front.language import tr
from skyreels_tui.queue.errors import NoSuchJob, NotAllowed, ReadOnlyQueue
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.states import Action
from skyreels_tui.queue.store import adding
from skyreels_tui.queue.store.listing import list_jobs
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row, utc_now, where_allowed
from skyreels_tui.requests.references import substitute

Changed = Callable[[Sequence[Job]], None]
"""Called after a commit, on the writing thread, with the new content of the rows it touched."""

_SELECT = f"SELECT {COLUMNS} FROM jobs"
_SLUG_LETTERS = 48


def ignore_changes(_: Sequence[Job]) -> None:
    """The default for `changed`: nobody listens."""


def default_stem(job: Job) -> str:
    """File name for a job's result: local time of its first start, number, label and seed, in safe characters.

    Time and number together keep apart what different queues write to one folder.
    """
    try:
        began = datetime.fromisoformat(job.started_at or job.created_at or utc_now()).astimezone()
    except ValueError:
        began = datetime.fromisoformat(utc_now()).astimezone()
    words = unicodedata.normalize("NFKD", job.label).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall("[a-z0-9]+", words))[:_SLUG_LETTERS].strip("-")
    seed = f"seed{json.loads(job.request_json).get('seed', 0)}"
    return "-".join(part for part in (f"{began:%Y%m%d-%H%M%S}", str(job.id), slug, seed) if part)


class Database:
    """One connection and one lock; any thread may call any method."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        read_only: bool = False,
        changed: Changed = ignore_changes,
        stem: Callable[[Job], str] = default_stem,
    ) -> None:
        """Take over an open connection; `stem` names a job's result file at its first claim."""
        self.read_only = read_only
        self.changed = changed
        self._stem = stem
        self._connection = connection
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def get(self, job_id: int) -> Job:
        """One row, also a deleted one; raises NoSuchJob."""
        with self._lock:
            row = self._connection.execute(f"{_SELECT} WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise NoSuchJob(job_id)
        return job_from_row(row)

    def list(self, *, include_finished: bool = True, limit: int | None = None) -> builtins.list[Job]:
        """The running job, the waiting ones in order, then finished ones, newest first; none deleted."""
        with self._lock:
            return list_jobs(self._connection, include_finished=include_finished, limit=limit)

    def batch(self, name: str) -> builtins.list[Job]:
        """The jobs of a batch in the order they were added; none deleted."""
        with self._lock:
            rows = self._connection.execute(
                f"{_SELECT} WHERE batch = ? AND batch != '' AND deleted = 0 ORDER BY id", (name,)
            ).fetchall()
        return [job_from_row(row) for row in rows]

    def batches(self) -> builtins.list[str]:
        """Names of the batches that have a job, newest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT batch FROM jobs WHERE batch != '' AND deleted = 0 GROUP BY batch ORDER BY MAX(id) DESC"
            ).fetchall()
        return [str(row[0]) for row in rows]

    def next_queued(self, only: Sequence[int] | None = None, warm_task: str = "") -> Job | None:
        """The job to claim next, among the ids in `only` when given.

        With `warm_task`, a job of that task comes before others, because its model is loaded; but never one
        that would overtake a job of its own batch.
        """
        condition = "" if only is None else f" AND id IN ({', '.join(str(int(one)) for one in only)})"
        with self._lock:
            row = self._connection.execute(
                f"{_SELECT} AS candidate WHERE state = 'queued' AND deleted = 0{condition}"
                " ORDER BY task_type = ? AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.batch != ''"
                " AND earlier.batch = candidate.batch AND earlier.state = 'queued' AND earlier.deleted = 0"
                " AND (earlier.position, earlier.id) < (candidate.position, candidate.id)) DESC, position, id LIMIT 1"
                if warm_task
                else f"{_SELECT} WHERE state = 'queued' AND deleted = 0{condition} ORDER BY position, id LIMIT 1",
                (warm_task,) if warm_task else (),
            ).fetchone()
        return None if row is None else job_from_row(row)

    def running(self) -> Job | None:
        """The running job, of whatever process."""
        with self._lock:
            row = self._connection.execute(f"{_SELECT} WHERE state = 'running'").fetchone()
        return None if row is None else job_from_row(row)

    def needed_by(self, job_id: int) -> builtins.list[int]:
        """The job and every job whose output it needs, directly or through others."""
        with self._lock:
            rows = self._connection.execute(
                "WITH RECURSIVE above (id) AS"
                " (SELECT ? UNION SELECT target_id FROM refs JOIN above ON job_id = id) SELECT id FROM above",
                (job_id,),
            ).fetchall()
        return [int(row[0]) for row in rows]

    def resolved(self, job: Job) -> Job:
        """The job with the outputs of other jobs in place of its references."""
        with self._lock:
            outputs = adding.outputs_of_references(self._connection, job.id)
        if not outputs:
            return job
        return replace(job, request_json=substitute(job.request, outputs).to_json())

    def data_version(self) -> int:
        """A number that changes when another process has written."""
        with self._lock:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def revision(self) -> tuple[int, int]:
        """Changes with every write, of this process or another: what was listed at the same revision is still true."""
        with self._lock:
            return self.data_version(), self._connection.total_changes

    def control(self, key: str) -> str:
        """A setting that all processes share, such as 'pause'; '' when it was never set."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM control WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def set_control(self, key: str, value: str) -> None:
        """Write a shared setting."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (key, value))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction: committed and fsynced at the end of the block, else rolled back."""
        if self.read_only:
            raise ReadOnlyQueue(tr("a newer version of the program wrote this queue: update to change it"))
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _update(
        self,
        job_id: int,
        assignments: str,
        action: Action,
        values: tuple[object, ...] = (),
    ) -> Job:
        """Set columns of a row to which `action` applies; raises NoSuchJob or NotAllowed otherwise.

        Must be called inside `_transaction`.
        """
        rows = self._connection.execute(
            f"UPDATE jobs SET {assignments} WHERE id = ? AND deleted = 0 AND {where_allowed(action)}"
            f" RETURNING {COLUMNS}",
            (*values, job_id),
        ).fetchall()
        if not rows:
            job = self.get(job_id)
            if job.deleted:
                raise NoSuchJob(job_id)
            raise NotAllowed(job_id, job.state, action)
        return job_from_row(rows[0])

    def _settle_dependents(self, connection: sqlite3.Connection, job_id: int) -> builtins.list[Job]:
        """Block or unblock the jobs that refer to this one; returns the rows that changed."""
        rows = connection.execute(
            f"{_SELECT} JOIN refs ON refs.job_id = jobs.id WHERE refs.target_id = ?"
            f" AND jobs.{where_allowed(Action.SETTLE)}",
            (job_id,),
        ).fetchall()
        changed = []
        for before in map(job_from_row, rows):
            adding.settle(connection, before.id)
            after = self.get(before.id)
            if after != before:
                changed.append(after)
        return changed

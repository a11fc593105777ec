"""The queue on disk as people change it: each change is one durable transaction, guarded in SQL."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from pipelines.front.errors import InvalidRequest
from pipelines.front.request import Request
from skyreels_tui.queue.errors import NotAllowed
from skyreels_tui.queue.model import PENDING, Job, JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.states import Action, why_not
from skyreels_tui.queue.store import adding, ordering
from skyreels_tui.queue.store.attempts import Attempts, JobsListener, ignore_changes
from skyreels_tui.queue.store.connection import Connection
from skyreels_tui.queue.store.films import Films
from skyreels_tui.queue.store.guarded import SELECT, change_job, read_job, settle_dependents
from skyreels_tui.queue.store.listing import list_jobs
from skyreels_tui.queue.store.result_names import default_stem
from skyreels_tui.queue.store.rows import NewJob, job_from_row, quoted
from skyreels_tui.requests.references import substitute

_FORGET_STEPS = (
    "stage = '', step = 0, num_steps = 0, segment = 0, num_segments = 0, deaths = 0, died_at = '', reboots = 0"
)


class Store:
    """Everything that may happen to the queue; any thread may call any method. `opening.open_store` makes one.

    Each may raise QueueTrouble: the file could not be read or written this time, and nothing was changed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        changed: JobsListener = ignore_changes,
        stem: Callable[[Job], str] = default_stem,
    ) -> None:
        """Take over a connection; `stem` names a job's result file at its first claim."""
        self._connection, self.changed = connection, changed
        self.attempts = Attempts(connection, changed, stem)
        """What the runner writes."""
        self.films = Films(connection, changed)
        """What a batch is to a person: scenes in order, each with the jobs made from it."""

    @property
    def read_only(self) -> bool:
        """True when every change is refused: a newer version wrote the queue, or its place cannot be written."""
        return self._connection.read_only

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # Reading: never waits for a change under way

    def get(self, job_id: int) -> Job:
        """One row, also a deleted one; raises NoSuchJob."""
        with self._connection.reading() as connection:
            return read_job(connection, job_id)

    def list(self, *, include_finished: bool = True, limit: int | None = None) -> builtins.list[Job]:
        """The running job, the waiting ones in order, then finished ones, newest first; none deleted."""
        with self._connection.reading() as connection:
            return list_jobs(connection, include_finished=include_finished, limit=limit)

    def batch(self, name: str) -> builtins.list[Job]:
        """The jobs of a batch in the order they were added; none deleted."""
        with self._connection.reading() as connection:
            rows = connection.execute(
                f"{SELECT} WHERE batch = ? AND batch != '' AND deleted = 0 ORDER BY id", (name,)
            ).fetchall()
        return [job_from_row(row) for row in rows]

    def batches(self) -> builtins.list[str]:
        """Names of the batches that have a job, newest first."""
        with self._connection.reading() as connection:
            rows = connection.execute(
                "SELECT batch FROM jobs WHERE batch != '' AND deleted = 0 GROUP BY batch ORDER BY MAX(id) DESC"
            ).fetchall()
        return [str(row[0]) for row in rows]

    def next_queued(
        self, only: Sequence[int] | None = None, warm_task: str = "", but: Collection[int] = ()
    ) -> Job | None:
        """The job to claim next, among the ids in `only` when given, never one in `but`.

        With `warm_task`, a job of that task comes before others, because its model is loaded; but never one
        that would overtake a job of its own batch.
        """
        condition = "" if only is None else f" AND id IN ({_ids(only)})"
        condition += f" AND id NOT IN ({_ids(but)})" if but else ""
        with self._connection.reading() as connection:
            row = connection.execute(
                f"{SELECT} WHERE state = 'queued' AND deleted = 0{condition}"
                " ORDER BY task_type = ? AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.batch != ''"
                " AND earlier.batch = jobs.batch AND earlier.state = 'queued' AND earlier.deleted = 0"
                " AND (earlier.position, earlier.id) < (jobs.position, jobs.id)) DESC, position, id LIMIT 1"
                if warm_task
                else f"{SELECT} WHERE state = 'queued' AND deleted = 0{condition} ORDER BY position, id LIMIT 1",
                (warm_task,) if warm_task else (),
            ).fetchone()
        return None if row is None else job_from_row(row)

    def held_because(self, code: Code) -> builtins.list[Job]:
        """Held jobs with this reason, in order."""
        with self._connection.reading() as connection:
            rows = connection.execute(
                f"{SELECT} WHERE state = 'held' AND deleted = 0 AND reason != '' ORDER BY position, id"
            ).fetchall()
        return [job for job in map(job_from_row, rows) if job.reason.code is code]

    def running(self) -> builtins.list[Job]:
        """The running jobs, of whatever process, in queue order."""
        with self._connection.reading() as connection:
            rows = connection.execute(f"{SELECT} WHERE state = 'running' ORDER BY position, id").fetchall()
        return [job_from_row(row) for row in rows]

    def needed_by(self, job_id: int) -> builtins.list[int]:
        """The job and every job whose output it needs, directly or through others."""
        with self._connection.reading() as connection:
            rows = connection.execute(
                "WITH RECURSIVE above (id) AS"
                " (SELECT ? UNION SELECT target_id FROM refs JOIN above ON job_id = id) SELECT id FROM above",
                (job_id,),
            ).fetchall()
        return [int(row[0]) for row in rows]

    def resolved(self, job: Job) -> Job:
        """The job with the outputs of other jobs in place of its references."""
        with self._connection.reading() as connection:
            outputs = adding.outputs_of_references(connection, job.id)
        if not outputs:
            return job
        return replace(job, request_json=substitute(job.request, outputs).to_json())

    def foreign_version(self) -> int:
        """A number that changes when another process has written."""
        return self._connection.foreign_version()

    def revision(self) -> int:
        """Changes with every write, of this process or another: what was listed at the same revision is still true."""
        return self._connection.revision()

    def control(self, key: str) -> str:
        """A setting that all processes share, such as 'pause'; '' when it was never set."""
        with self._connection.reading() as connection:
            row = connection.execute("SELECT value FROM control WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def set_control(self, key: str, value: str) -> None:
        """Write a shared setting."""
        with self._connection.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (key, value))

    # Adding

    def add(self, entry: NewJob) -> Job:
        """Add one job at the end; raises InvalidRequest for a missing name."""
        return self.add_many([entry])[0]

    def add_many(self, entries: Sequence[NewJob]) -> builtins.list[Job]:
        """Add all entries in one transaction, or none; raises InvalidRequest naming entry and field."""
        if not entries:
            return []
        with self._connection.writing() as connection:
            jobs = adding.insert_jobs(connection, entries)
        self.changed(jobs)
        return jobs

    def duplicate(self, job_id: int, seeds: Sequence[int] | None = None) -> builtins.list[Job]:
        """Copy a job to the end of the queue, once a seed; None makes one copy with the same seed."""
        job = self.get(job_id)
        request = job.request
        if seeds is None:
            return self._copies(job, [_copy(job)])
        copy = _copy(job)
        entries = [replace(copy, request=replace(request, seed=seed), label=f"{job.label}-s{seed}") for seed in seeds]
        return self._copies(job, entries)

    def retry(self, job_id: int) -> Job:
        """Add a new row for a finished job; waiting jobs that refer to the old one wait for the new one."""
        job = self.get(job_id)
        if why_not(job.state, Action.RETRY) is not None:
            raise NotAllowed(job_id, job.state, Action.RETRY)
        return self._copies(job, [_copy(job)], retry=True)[0]

    def _copies(self, job: Job, entries: Sequence[NewJob], *, retry: bool = False) -> builtins.list[Job]:
        """Insert copies that refer to the very jobs that `job` refers to."""
        touched = []
        with self._connection.writing() as connection:
            ids = []
            for entry in entries:
                position = ordering.next_position(connection)
                new_id = adding.insert_row(connection, entry, position, job.id if retry else None)
                connection.execute(
                    "INSERT INTO refs (job_id, token, target_id, scene_id)"
                    " SELECT ?, token, target_id, scene_id FROM refs WHERE job_id = ?",
                    (new_id, job.id),
                )
                adding.settle(connection, new_id)
                ids.append(new_id)
            if retry and job.state != JobState.DONE:
                connection.execute(
                    "UPDATE refs SET target_id = ? WHERE target_id = ? AND job_id IN"
                    f" (SELECT id FROM jobs WHERE state IN ({quoted(PENDING)}))",
                    (ids[0], job.id),
                )
                touched = settle_dependents(connection, ids[0])
            jobs = [read_job(connection, one) for one in ids]
        self.changed([*jobs, *touched])
        return jobs

    # Changing what waits

    def edit(self, job_id: int, request: Request, label: str | None = None) -> Job:
        """Replace the request of a pending job and forget its stored steps; raises InvalidRequest."""
        text = request.to_json()
        with self._connection.writing() as connection:
            before = read_job(connection, job_id)
            change_job(connection, job_id, "request_json = ?, reason = ''", Action.EDIT, (text,))
            if text != before.request_json:
                connection.execute(f"UPDATE jobs SET {_FORGET_STEPS} WHERE id = ?", (job_id,))
            if label:
                connection.execute("UPDATE jobs SET label = ? WHERE id = ?", (label, job_id))
            previous = adding.previous_job(connection, job_id)
            problems = adding.link(connection, job_id, request, first_id=job_id, previous=previous)
            if problems:
                raise InvalidRequest(problems)
            adding.settle(connection, job_id)
            job = read_job(connection, job_id)
        self.changed([job])
        return job

    def rename(self, job_id: int, label: str) -> Job:
        """Change the label, in any state."""
        with self._connection.writing() as connection:
            job = change_job(connection, job_id, "label = ?", Action.RENAME, (label,))
        self.changed([job])
        return job

    def cancel(self, job_id: int) -> Job:
        """Cancel a waiting job; a running one only gets the wish, which its runner sees at a step edge."""
        with self._connection.writing() as connection:
            if read_job(connection, job_id).state == JobState.RUNNING:
                job = change_job(connection, job_id, "cancel_requested = 1", Action.CANCEL)
                touched = [job]
            else:
                assignments = "state = 'cancelled', finished_at = utc_now(), reason = ''"
                job = change_job(connection, job_id, assignments, Action.CANCEL)
                touched = [job, *settle_dependents(connection, job_id)]
        self.changed(touched)
        return job

    def hold(self, job_id: int) -> Job:
        """Keep a queued, blocked or interrupted job from running."""
        with self._connection.writing() as connection:
            job = change_job(connection, job_id, "state = 'held', reason = ''", Action.HOLD)
        self.changed([job])
        return job

    def release(self, job_id: int) -> Job:
        """Queue a held job again, or block it while it waits for another one."""
        return self._queue(job_id, Action.RELEASE, "deaths = 0, died_at = '', reboots = 0")

    def resume(self, job_id: int) -> Job:
        """Queue an interrupted job; it goes on at its stored step."""
        return self._queue(job_id, Action.RESUME, "reason = ''")

    def restart(self, job_id: int) -> Job:
        """Queue a pending or interrupted job from step 0; its work folder must be emptied before this."""
        return self._queue(job_id, Action.RESTART, _FORGET_STEPS)

    def _queue(self, job_id: int, action: Action, also: str) -> Job:
        with self._connection.writing() as connection:
            change_job(connection, job_id, f"{also}, state = 'queued', reason = ''", action)
            adding.settle(connection, job_id)
            job = read_job(connection, job_id)
        self.changed([job])
        return job

    # Order

    def move(self, job_id: int, offset: int) -> Job:
        """Move by `offset` places among the waiting jobs: negative is sooner."""
        with self._connection.writing() as connection:
            change_job(connection, job_id, "label = label", Action.MOVE)
            place = ordering.place_of(connection, job_id) + offset
            ordering.place_at(connection, job_id, place)
            job = read_job(connection, job_id)
        self.changed([job])
        return job

    def move_to(self, job_id: int, place: int) -> Job:
        """Move to a place among the waiting jobs, 0 is first; past the end means last."""
        with self._connection.writing() as connection:
            change_job(connection, job_id, "label = label", Action.MOVE)
            ordering.place_at(connection, job_id, place)
            job = read_job(connection, job_id)
        self.changed([job])
        return job

    def run_next(self, job_id: int) -> Job:
        """Put a job before all others that wait; a held or interrupted one is queued."""
        with self._connection.writing() as connection:
            change_job(connection, job_id, "state = 'queued', reason = ''", Action.RUN_NEXT)
            adding.settle(connection, job_id)
            ordering.place_at(connection, job_id, 0)
            job = read_job(connection, job_id)
        self.changed([job])
        return job

    # Hiding

    def delete(self, job_id: int) -> Job:
        """Hide a job that does not run."""
        with self._connection.writing() as connection:
            job = change_job(connection, job_id, "deleted = 1", Action.DELETE)
            touched = [job, *settle_dependents(connection, job_id)]
        self.changed(touched)
        return job

    def undelete(self, job_id: int) -> Job:
        """Bring a deleted job back in the state and place it had."""
        with self._connection.writing() as connection:
            read_job(connection, job_id)
            connection.execute("UPDATE jobs SET deleted = 0 WHERE id = ?", (job_id,))
            adding.settle(connection, job_id)
            job = read_job(connection, job_id)
            touched = [job, *settle_dependents(connection, job_id)]
        self.changed(touched)
        return job


def _ids(ids: Iterable[int]) -> str:
    return ", ".join(str(int(one)) for one in ids)


def _copy(job: Job) -> NewJob:
    return NewJob(job.request, job.label, job.batch, result_dir=job.result_dir)

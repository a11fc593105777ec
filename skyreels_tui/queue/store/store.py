"""The queue on disk as people change it: each change is one durable transaction, guarded in SQL."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import replace

from pipelines.front.errors import InvalidRequest
from pipelines.front.request import Request
from skyreels_tui.queue.errors import NotAllowed
from skyreels_tui.queue.model import PENDING, Job, JobState
from skyreels_tui.queue.states import Action, why_not
from skyreels_tui.queue.store import adding, ordering
from skyreels_tui.queue.store.attempts import AttemptStore
from skyreels_tui.queue.store.rows import NewJob, quoted, utc_now

_FORGET_STEPS = "stage = '', step = 0, num_steps = 0, segment = 0, num_segments = 0, deaths = 0, died_at = ''"


class Store(AttemptStore):
    """Everything that may happen to the queue. `opening.open_store` makes one."""

    # Adding

    def add(self, entry: NewJob) -> Job:
        """Add one job at the end; raises InvalidRequest for a missing name."""
        return self.add_many([entry])[0]

    def add_many(self, entries: Sequence[NewJob]) -> builtins.list[Job]:
        """Add all entries in one transaction, or none; raises InvalidRequest naming entry and field."""
        if not entries:
            return []
        with self._transaction() as connection:
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
        with self._transaction() as connection:
            ids = []
            for entry in entries:
                position = ordering.next_position(connection)
                new_id = adding.insert_row(connection, entry, position, job.id if retry else None)
                connection.execute(
                    "INSERT INTO refs SELECT ?, token, target_id FROM refs WHERE job_id = ?", (new_id, job.id)
                )
                adding.settle(connection, new_id)
                ids.append(new_id)
            if retry and job.state != JobState.DONE:
                connection.execute(
                    "UPDATE refs SET target_id = ? WHERE target_id = ? AND job_id IN"
                    f" (SELECT id FROM jobs WHERE state IN ({quoted(PENDING)}))",
                    (ids[0], job.id),
                )
                touched = self._settle_dependents(connection, ids[0])
            jobs = [self.get(one) for one in ids]
        self.changed([*jobs, *touched])
        return jobs

    # Changing what waits

    def edit(self, job_id: int, request: Request, label: str | None = None) -> Job:
        """Replace the request of a pending job and forget its stored steps; raises InvalidRequest."""
        text = request.to_json()
        with self._transaction() as connection:
            before = self.get(job_id)
            self._update(job_id, "request_json = ?, reason = ''", Action.EDIT, (text,))
            if text != before.request_json:
                connection.execute(f"UPDATE jobs SET {_FORGET_STEPS} WHERE id = ?", (job_id,))
            if label:
                connection.execute("UPDATE jobs SET label = ? WHERE id = ?", (label, job_id))
            previous = adding.previous_job(connection, job_id)
            problems = adding.link(connection, job_id, request, first_id=job_id, previous=previous)
            if problems:
                raise InvalidRequest(problems)
            adding.settle(connection, job_id)
            job = self.get(job_id)
        self.changed([job])
        return job

    def rename(self, job_id: int, label: str) -> Job:
        """Change the label, in any state."""
        with self._transaction():
            job = self._update(job_id, "label = ?", Action.RENAME, (label,))
        self.changed([job])
        return job

    def cancel(self, job_id: int) -> Job:
        """Cancel a waiting job; a running one only gets the wish, which its runner sees at a step edge."""
        with self._transaction() as connection:
            if self.get(job_id).state == JobState.RUNNING:
                job = self._update(job_id, "cancel_requested = 1", Action.CANCEL)
                touched = [job]
            else:
                assignments = "state = 'cancelled', finished_at = ?, reason = ''"
                job = self._update(job_id, assignments, Action.CANCEL, (utc_now(),))
                touched = [job, *self._settle_dependents(connection, job_id)]
        self.changed(touched)
        return job

    def hold(self, job_id: int) -> Job:
        """Keep a queued, blocked or interrupted job from running."""
        with self._transaction():
            job = self._update(job_id, "state = 'held', reason = ''", Action.HOLD)
        self.changed([job])
        return job

    def release(self, job_id: int) -> Job:
        """Queue a held job again, or block it while it waits for another one."""
        return self._queue(job_id, Action.RELEASE, "deaths = 0, died_at = ''")

    def resume(self, job_id: int) -> Job:
        """Queue an interrupted job; it goes on at its stored step."""
        return self._queue(job_id, Action.RESUME, "reason = ''")

    def restart(self, job_id: int) -> Job:
        """Queue a pending or interrupted job from step 0; its work folder must be emptied before this."""
        return self._queue(job_id, Action.RESTART, _FORGET_STEPS)

    def _queue(self, job_id: int, action: Action, also: str) -> Job:
        with self._transaction() as connection:
            self._update(job_id, f"{also}, state = 'queued', reason = ''", action)
            adding.settle(connection, job_id)
            job = self.get(job_id)
        self.changed([job])
        return job

    # Order

    def move(self, job_id: int, offset: int) -> Job:
        """Move by `offset` places among the waiting jobs: negative is sooner."""
        with self._transaction() as connection:
            self._update(job_id, "label = label", Action.MOVE)
            place = ordering.place_of(connection, job_id) + offset
            ordering.place_at(connection, job_id, place)
            job = self.get(job_id)
        self.changed([job])
        return job

    def move_to(self, job_id: int, place: int) -> Job:
        """Move to a place among the waiting jobs, 0 is first; past the end means last."""
        with self._transaction() as connection:
            self._update(job_id, "label = label", Action.MOVE)
            ordering.place_at(connection, job_id, place)
            job = self.get(job_id)
        self.changed([job])
        return job

    def run_next(self, job_id: int) -> Job:
        """Put a job before all others that wait; a held or interrupted one is queued."""
        with self._transaction() as connection:
            self._update(job_id, "state = 'queued', reason = ''", Action.RUN_NEXT)
            adding.settle(connection, job_id)
            ordering.place_at(connection, job_id, 0)
            job = self.get(job_id)
        self.changed([job])
        return job

    # Hiding

    def delete(self, job_id: int) -> Job:
        """Hide a job that does not run."""
        with self._transaction() as connection:
            job = self._update(job_id, "deleted = 1", Action.DELETE)
            touched = [job, *self._settle_dependents(connection, job_id)]
        self.changed(touched)
        return job

    def undelete(self, job_id: int) -> Job:
        """Bring a deleted job back in the state and place it had."""
        with self._transaction() as connection:
            self.get(job_id)
            connection.execute("UPDATE jobs SET deleted = 0 WHERE id = ?", (job_id,))
            adding.settle(connection, job_id)
            job = self.get(job_id)
            touched = [job, *self._settle_dependents(connection, job_id)]
        self.changed(touched)
        return job


def _copy(job: Job) -> NewJob:
    return NewJob(job.request, job.label, job.batch, result_dir=job.result_dir)

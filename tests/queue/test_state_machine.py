"""Any sequence of what people, runners and crashes do: the queue stays what a plain model says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pipelines.front.errors import InvalidRequest
from skyreels_tui.queue.batches.batch_file import read_batch, to_json
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.states import TABLE, Action
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry, make_request

WAITING = (JobState.QUEUED, JobState.HELD, JobState.INTERRUPTED)


class Queue(RuleBasedStateMachine):
    """The model: an ordered list of ids, a state and a seed for each."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = open_store(self.folder / "queue.db")
        self.order: list[int] = []
        self.states: dict[int, JobState] = {}
        self.seeds: dict[int, int] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def _added(self, jobs) -> int:
        for job in jobs:
            self.order.append(job.id)
            self.states[job.id] = job.state
            self.seeds[job.id] = job.request.seed
        return jobs[-1].id

    def _try(self, job: int, kind: Action, action) -> bool:
        """Do it, expect success exactly where the table allows it, and take over the state that it leads to."""
        leads = TABLE[kind].get(self.states[job])
        try:
            action()
        except QueueError:
            assert leads is None
            return False
        # No job of this machine refers to another: none is ever blocked.
        assert leads is not None
        (self.states[job],) = leads - {JobState.BLOCKED}
        return True

    @rule(target=jobs, held=st.booleans(), seed=st.integers(0, 99))
    def add(self, held: bool, seed: int) -> int:
        return self._added([self.store.add(entry(held=held, seed=seed))])

    @rule(target=jobs, count=st.integers(2, 4))
    def import_file(self, count: int) -> int:
        path = self.folder / "batch.json"
        drafts = self.store.add_many([entry(f"b{number}", seed=number) for number in range(count)])
        path.write_text(to_json(drafts))
        for job in drafts:
            self.store.delete(job.id)
        entries = read_batch(path)
        assert [new.request for new in entries] == [job.request for job in drafts]
        return self._added(self.store.add_many(entries))

    @rule()
    def import_broken(self) -> None:
        try:
            self.store.add_many([entry("x"), entry("y", ref_imgs=("{{job:no such job}}",))])
        except InvalidRequest:
            return
        raise AssertionError("it was taken")

    @rule(job=jobs, seed=st.integers(0, 99))
    def edit(self, job: int, seed: int) -> None:
        if self._try(job, Action.EDIT, lambda: self.store.edit(job, make_request(seed=seed))):
            self.seeds[job] = seed

    @rule(job=jobs)
    def hold(self, job: int) -> None:
        self._try(job, Action.HOLD, lambda: self.store.hold(job))

    @rule(job=jobs)
    def release(self, job: int) -> None:
        self._try(job, Action.RELEASE, lambda: self.store.release(job))

    @rule(job=jobs)
    def resume(self, job: int) -> None:
        self._try(job, Action.RESUME, lambda: self.store.resume(job))

    @rule(job=jobs)
    def restart(self, job: int) -> None:
        self._try(job, Action.RESTART, lambda: self.store.restart(job))

    @rule(job=jobs)
    def cancel(self, job: int) -> None:
        if self.states[job] == JobState.RUNNING:
            assert self.store.cancel(job).cancel_requested
            self.store.attempts.cancelled(job, run_seconds=0)
            self.states[job] = JobState.CANCELLED
        else:
            self._try(job, Action.CANCEL, lambda: self.store.cancel(job))

    @rule(job=jobs, place=st.integers(0, 9))
    def move(self, job: int, place: int) -> None:
        waiting = [one for one in self.order if self.states[one] in WAITING]
        if self._try(job, Action.MOVE, lambda: self.store.move_to(job, place)):
            waiting.remove(job)
            self.order.remove(job)
            # Directly before the one that had the place: a running job keeps its own among them all.
            follower = self.order.index(waiting[place]) if place < len(waiting) else len(self.order)
            self.order.insert(follower, job)

    @rule()
    def run(self) -> None:
        queued = [job for job in self.order if self.states[job] == JobState.QUEUED]
        busy = JobState.RUNNING in self.states.values()
        job = self.store.attempts.claim()
        assert (None if job is None else job.id) == (queued[0] if queued and not busy else None)
        if job is not None:
            self.states[job.id] = JobState.RUNNING

    @rule(fails=st.booleans())
    def end(self, fails: bool) -> None:
        for job, state in self.states.items():
            if state == JobState.RUNNING:
                if fails:
                    self.store.attempts.fail(job, error="e", run_seconds=1)
                else:
                    self.store.attempts.finish(job, output="x", suspect="", run_seconds=1)
                self.states[job] = JobState.FAILED if fails else JobState.DONE

    @rule(auto_resume=st.booleans(), step=st.integers(0, 1000))
    def crash(self, auto_resume: bool, step: int) -> None:
        """The process dies without a word; the next one recovers."""
        running = [job for job, state in self.states.items() if state == JobState.RUNNING]
        for job in running:
            self.store.attempts.update_step(
                job,
                stage="denoise",
                step=step,
                num_steps=1000,
                segment=len(self.order),
                num_segments=1,
                run_seconds=0,
            )
        self.store.close()
        self.store = open_store(self.folder / "queue.db")
        self.store.attempts.recover(auto_resume=auto_resume)
        for job, state in list(self.states.items()):
            if state == JobState.RUNNING:
                # A second death at one place holds the job: that has tests of its own.
                self.states[job] = self.store.get(job).state
                assert self.states[job] in WAITING
            elif state == JobState.INTERRUPTED and auto_resume:
                self.states[job] = JobState.QUEUED

    @rule(job=consumes(jobs))
    def delete(self, job: int) -> None:
        if self._try(job, Action.DELETE, lambda: self.store.delete(job)):
            self.order.remove(job)
            del self.states[job]

    @invariant()
    def same_as_the_model(self) -> None:
        rows = self.store.list()
        assert {job.id: job.state for job in rows} == self.states
        assert all(job.request.seed == self.seeds[job.id] for job in rows)
        waiting = [job.id for job in rows if job.state in WAITING]
        assert waiting == [job for job in self.order if self.states[job] in WAITING]
        assert sum(job.state == JobState.RUNNING for job in rows) <= 1
        assert all(job.finished_at for job in rows if job.state in FINISHED)


Queue.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
TestQueue = Queue.TestCase

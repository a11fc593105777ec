"""The inference thread of one worker: takes jobs one after the other, runs each and has its end written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipelines.front.errors import Cancelled, PipelineError
from pipelines.front.language import reason_of, tr
from skyreels_tui.queue.engine.attempt.attempt import Attempt
from skyreels_tui.queue.engine.attempt.cancel import Why
from skyreels_tui.queue.engine.attempt.endings import Endings
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.limits.full_disks import FullDisks
from skyreels_tui.queue.engine.muster import Muster
from skyreels_tui.queue.engine.next_job import Chosen, NextJob
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.engine.priority import compute_in_background
from skyreels_tui.queue.engine.stance import Stance
from skyreels_tui.queue.engine.weighing import Weighing
from skyreels_tui.queue.engine.workforce import THIS_PROCESS, Worker
from skyreels_tui.queue.errors import QueueError, QueueTrouble
from skyreels_tui.queue.events import EngineMemory, JobProgress
from skyreels_tui.queue.reasons import NONE, Code, Reason, because
from skyreels_tui.queue.store.store import Store

SWITCH_INTERVAL_S = 0.0005
"""While a job runs, the screen's thread gets the interpreter this soon."""
GRACE_S = 0.1
"""An idle thread that is to end does so within this; one that imports takes seconds, and is left alone."""
IDLE_LATE_S = 60.0
"""Between two looks at the queue an idle thread is late after this long: a first one imports torch."""
_IDLE_S = 5.0


@contextmanager
def _quick_switching() -> Iterator[None]:
    """Let the screen's thread have the interpreter soon while this one computes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Runner:
    """Owns the inference thread; the caller owns the lock that makes it the only runner."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        parts: RunnerParts,
        *,
        only: Sequence[int] | None = None,
        beats: Heartbeats | None = None,
        worker: Worker = THIS_PROCESS,
        muster: Muster | None = None,
    ) -> None:
        """Start nothing yet; `only` limits the runner to these job ids.

        `muster` is shared by the runners of a process, one a worker.
        """
        self._store, self._executor, self._parts = store, executor, parts
        self._beats = beats or Heartbeats()
        self.worker, self._muster = worker, muster or Muster()
        self._name = f"inference {worker.name}".strip()
        self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
        self._wake = threading.Event()
        self._closing = self._stops = False
        self._starting = threading.Lock()
        """Held while a job is claimed: whoever leaves knows whether one runs."""
        self._left = False
        """Nobody waits for the thread's end any more."""
        self._warm = False
        self._last_task = ""
        self._attempt: Attempt | None = None
        self.stance = Stance(parts.state_changed)
        self._weighing = Weighing(executor, parts)
        full_disks = FullDisks(parts.now, parts.retry_s)
        self._endings = Endings(store, parts, self.stance, full_disks, self._wait_to_write)
        self._next_job = NextJob(
            store,
            executor,
            parts,
            worker=self.worker,
            muster=self._muster,
            stance=self.stance,
            full_disks=full_disks,
            only=only,
            warm_up=self._warm_up,
            look_again=self.wake,
        )

    # From any thread

    def start(self) -> None:
        """Start the thread: it waits for jobs, and imports what they need before the first one."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue again."""
        self._wake.set()

    def stop_job(self, why: Why, job_id: int | None = None, reason: Reason = NONE, *, urgent: bool = False) -> None:
        """Stop the running job (or only if it is `job_id`) at its next edge; an urgent stop gives up its step."""
        attempt = self._attempt
        if attempt is not None and job_id in (None, attempt.job.id):
            attempt.token.stop(why, reason, urgent=urgent)
            self._parts.state_changed()

    def close(self, *, finish_job: bool = False) -> None:
        """End the thread after the running job, or at its next edge; returns at once."""
        self._closing = True
        if not finish_job:
            self._stops = True
            self.stop_job(Why.STOP, reason=because(Code.PROGRAM_CLOSED))
        self._wake.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread's end; False when time is up first.

        A thread that is to end and has no job is not waited for: it only imports, or gives memory back.
        """
        if self._thread.ident is None:
            return True
        self._thread.join(GRACE_S if timeout_s is None else min(timeout_s, GRACE_S))
        if self._closing:
            with self._starting:
                self._left = self._attempt is None and self._thread.is_alive()
        if not self._left:
            self._thread.join(timeout_s)
        return self._left or not self._thread.is_alive()

    @property
    def running_job(self) -> int | None:
        """Id of the job that runs in this process."""
        attempt = self._attempt
        return None if attempt is None else attempt.job.id

    @property
    def latest(self) -> JobProgress | None:
        """Progress of the running job."""
        attempt = self._attempt
        return None if attempt is None else attempt.latest

    @property
    def stopping(self) -> bool:
        """Whether the running job was asked to stop."""
        attempt = self._attempt
        return attempt is not None and attempt.token.why is not None

    @property
    def memory(self) -> EngineMemory | None:
        """What the engine holds, as it said last."""
        return self._weighing.memory

    # The thread

    def _main(self) -> None:
        # Before anything is imported: torch's own threads inherit it.
        compute_in_background()
        self._muster.enter(self.worker)
        while not self._closing:
            self._beats.beat(self._name, IDLE_LATE_S)
            self.stance.show("idle", self.stance.waiting_for, self.stance.lacks)
            self._release_for_models()
            attempt = self._claim()
            if attempt is None:
                self._wake.wait(self._parts.retry_s if self.stance.waiting_for else _IDLE_S)
                self._wake.clear()
            else:
                self._run(attempt)
                self._muster.done(self.worker, self._last_task)
                # Whoever was kept for this job, or waits for this worker, goes on.
                self._parts.worker_free()
        self._muster.leave(self.worker)
        self._executor.close()
        self._beats.end(self._name)
        if not self._left:
            self.stance.show("off")

    def _release_for_models(self) -> None:
        """Queue the jobs that have waited for a model which is here now."""
        try:
            for job in self._store.held_because(Code.WAITS_FOR_MODEL):
                if self._parts.has_model(job):
                    self._parts.log.write(tr("the model of job {id} is here: it is queued", id=job.id), job_id=job.id)
                    self._store.release(job.id)
        except (QueueTrouble, QueueError, OSError):
            # Looked at again after the next pause.
            return

    def _warm_up(self) -> bool:
        """Import what jobs need, before the first one: a program that only shows the queue stays small."""
        if not self._warm:
            self._warm = True
            self.stance.show("warming")
            with _quick_switching():
                try:
                    self._executor.warm_up()
                except (PipelineError, ImportError, OSError, RuntimeError) as error:
                    # Not fatal: each job will meet the same error and say so in its row.
                    if not self._closing:
                        self._parts.log.write(tr("warming up: {error}", error=error), level="warning")
        return not self._closing

    def _claim(self) -> Attempt | None:
        """Take the next job that may start; a queue that cannot be asked is asked again, and that is shown."""
        try:
            chosen = self._next_job.find(self._last_task)
            if chosen is None:
                return None
            attempt = self._begin(chosen)
            if attempt is not None:
                self._last_task = chosen.job.task_type
                return attempt
        except QueueTrouble as error:
            self.stance.idle(tr("{error}: waiting", error=error.cause))
        except QueueError:
            # The row has changed since it was read: looked at again.
            pass
        except OSError as error:
            self.stance.idle(tr("{error}: waiting", error=f"{error.filename or ''} {reason_of(error)}".strip()))
        self._muster.part(self.worker)
        return None

    def _begin(self, chosen: Chosen) -> Attempt | None:
        """Claim a job, unless the thread is to end."""
        with self._starting:
            job = None if self._closing else self._store.attempts.claim([chosen.job.id], self.worker.name)
            if job is None:
                return None
            self._attempt = Attempt(job, chosen.team, self._store, self._parts, self._weighing, self._beat)
        if self._stops:
            # Asked for while the job was being claimed.
            self.stop_job(Why.STOP, reason=because(Code.PROGRAM_CLOSED))
        return self._attempt

    def _run(self, attempt: Attempt) -> None:
        """The only place of the program that catches every error of a job."""
        job = attempt.job
        self._beat()
        self.stance.show("running")
        self._parts.log.write(
            tr("job {id} {label} starts, attempt {attempt}", id=job.id, label=job.label, attempt=job.attempts),
            job_id=job.id,
        )
        try:
            if self.worker != THIS_PROCESS:
                self._muster.size_of(job, has_run=job.attempts > 1)
            with _quick_switching():
                output = attempt.run(self._executor)
            self._endings.done(attempt, output)
        except Cancelled:
            self._endings.stopped(attempt)
            if attempt.token.reason.code is Code.MEMORY:
                self._executor.free()
        except Exception as error:
            self._endings.failed(attempt, error)
        finally:
            attempt.end()
            self._attempt = None

    def _beat(self) -> None:
        self._beats.beat(self._name, self._parts.busy_late_s)

    def _wait_to_write(self) -> bool:
        """Pause before another try to write how an attempt ended; False when the thread is to end."""
        if self._closing:
            return False
        self._wake.wait(self._parts.retry_s)
        self._wake.clear()
        return True

"""The inference thread: claims jobs one after the other, runs them, writes their steps and their end."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from pipelines.front.errors import Cancelled, GangLost, InputChanged, PipelineError
from pipelines.front.language import reason_of, tr
from pipelines.front.places import is_file
from pipelines.front.progress import Progress, Stage
from pipelines.front.runtime import Output
from skyreels_tui.files.boot_clock import BootTime, boot_time
from skyreels_tui.queue.engine import work_folder
from skyreels_tui.queue.engine.attempt_clock import AttemptClock
from skyreels_tui.queue.engine.cancel import CancelToken, Why
from skyreels_tui.queue.engine.executor import Executor, JobContext
from skyreels_tui.queue.engine.failures import failure_words
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.heat import HeatWatch
from skyreels_tui.queue.engine.muster import Muster, missing_words
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.engine.priority import compute_in_background
from skyreels_tui.queue.engine.space import Need, Shortage, full_disk, shortage
from skyreels_tui.queue.engine.workforce import THIS_PROCESS, CannotHere, FaultElsewhere, Worker, WorkerLost
from skyreels_tui.queue.errors import QueueError, QueueTrouble
from skyreels_tui.queue.events import Engine, EngineMemory, JobProgress
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import NONE, Code, Reason, because
from skyreels_tui.queue.store.store import Store
from skyreels_tui.words.sizes import size

SWITCH_INTERVAL_S = 0.0005
"""While a job runs, the screen's thread gets the interpreter this soon."""

RETRY_S = 2.0
"""How often a full disk or a database that cannot be written is looked at again."""
GRACE_S = 0.1
"""An idle thread that is to end does so within this; one that imports takes seconds, and is left alone."""

IDLE_LATE_S = 60.0
"""Between two looks at the queue an idle thread is late after this long: a first one imports torch."""
BUSY_LATE_S = 1800.0
"""A thread that loads a model or computes a block reports nothing meanwhile."""
_IDLE_S = 5.0
_POLL_S = 0.5
_ELSEWHERE_S = 30.0
"""A job that a worker cannot run is looked at again this much later: a checkpoint may have come."""
Lack = Literal["", "disk", "memory", "hours", "gpus"]
_WEIGH_S = 1.0
_MORE_BYTES = 64 * 2**20
_LITTLE_BYTES = 256 * 2**20
_TRIES_ON_FULL_DISK = 4


@contextmanager
def _quick_switching() -> Iterator[None]:
    """Let the screen's thread have the interpreter soon while this one computes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@dataclass(slots=True)
class _Attempt:
    job: Job
    clock: AttemptClock
    token: CancelToken = field(default_factory=CancelToken)
    resolved: Job | None = None
    """The job with other jobs' outputs in place of its references."""
    base_seconds: float = 0.0
    heat: HeatWatch | None = None
    polled_at: float = 0.0
    weighed_at: float = float("-inf")

    @property
    def number(self) -> int:
        """Which attempt at its job this is: what an earlier one says is not used."""
        return self.job.attempts

    @property
    def run_seconds(self) -> float:
        """Seconds over all attempts."""
        return self.base_seconds + self.clock.elapsed_s


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
        self._store, self._executor, self._parts, self._only = store, executor, parts, only
        self._beats = beats or Heartbeats()
        self.worker, self._muster = worker, muster or Muster()
        self._name = f"inference {worker.name}".strip()
        self._thread = threading.Thread(target=self._main, name=self._name, daemon=True)
        self._not_here: dict[int, float] = {}
        self._wake = threading.Event()
        self._closing = self._stops = False
        self._starting = threading.Lock()
        """Held while a job is claimed: whoever leaves knows whether one runs."""
        self._left = False
        """Nobody waits for the thread's end any more."""
        self._warm = False
        self._last_task = ""
        self._attempt: _Attempt | None = None
        self._short_of: dict[int, int] = {}
        self._full_disks: dict[int, int] = {}
        self._not_before = float("-inf")
        self.engine: Engine = "off"
        self.since: BootTime | None = None
        """When it began to do what `engine` says."""
        self.waiting_for: str = ""
        """Why nothing starts, in words: memory, a full disk, a database that cannot be written."""
        self.lacks: Lack = ""
        """What `waiting_for` speaks of."""
        self.latest: JobProgress | None = None
        """Progress of the running job."""
        self.memory: EngineMemory | None = None
        """What the engine holds, as it said last."""

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
    def stopping(self) -> bool:
        """Whether the running job was asked to stop."""
        attempt = self._attempt
        return attempt is not None and attempt.token.why is not None

    # The thread

    def _main(self) -> None:
        # Before anything is imported: torch's own threads inherit it.
        compute_in_background()
        self._muster.enter(self.worker)
        while not self._closing:
            self._beats.beat(self._name, IDLE_LATE_S)
            self._show("idle", self.waiting_for, self.lacks)
            self._release_for_models()
            attempt, team = self._claim()
            if attempt is None:
                self._wake.wait(RETRY_S if self.waiting_for else _IDLE_S)
                self._wake.clear()
            else:
                self._run(attempt, team)
                self._muster.done(self.worker, self._last_task)
                # Whoever was kept for this job, or waits for this worker, goes on.
                self._parts.worker_free()
        self._muster.leave(self.worker)
        self._executor.close()
        self._beats.end(self._name)
        if not self._left:
            self._show("off")

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

    def _warm_up(self) -> None:
        """Import what jobs need, before the first one: a program that only shows the queue stays small."""
        if self._warm:
            return
        self._warm = True
        self._show("warming")
        with _quick_switching():
            try:
                self._executor.warm_up()
            except (PipelineError, ImportError, OSError, RuntimeError) as error:
                # Not fatal: each job will meet the same error and say so in its row.
                if not self._closing:
                    self._parts.log.write(tr("warming up: {error}", error=error), level="warning")

    def _show(self, engine: Engine, waiting_for: str = "", lacks: Lack = "disk") -> None:
        if (engine, waiting_for) != (self.engine, self.waiting_for):
            self.since = self.since if engine == self.engine else boot_time()
            self.engine, self.waiting_for, self.lacks = engine, waiting_for, lacks if waiting_for else ""
            self._parts.state_changed()

    def _claim(self) -> tuple[_Attempt | None, tuple[Worker, ...]]:
        """Take the next job, if the queue is not paused and the disk has room for it; and who works on it together."""
        nothing: tuple[_Attempt | None, tuple[Worker, ...]] = None, ()
        try:
            if self._store.control("pause"):
                self._muster.part(self.worker)
                self._show("idle")
                return nothing
            if self._parts.now() < self._not_before:
                return nothing
            begins = self._parts.begins()
            if begins is not None:
                waits = self._store.next_queued(self._only) is not None
                self._show("idle", tr("starts at {time}", time=f"{begins:%H:%M}") if waits else "", "hours")
                return nothing
            candidate = self._candidate()
            if candidate is None:
                return nothing
            team = self._team(candidate)
            if team is None:
                return nothing
            short = self._shortage(candidate)
            if short is not None:
                self._wait_for_space(candidate, short)
                return self._give_up_claim()
            self._warm_up()
            if self._closing:
                return self._give_up_claim()
            try:
                why = self._admit(self._store.resolved(candidate))
            except CannotHere as error:
                self._cannot_here(candidate, error)
                return self._give_up_claim()
            if why:
                self._wait_for_memory(candidate, why)
                return self._give_up_claim()
            attempt = self._begin(candidate.id)
            if attempt is None:
                return self._give_up_claim()
            self._last_task = candidate.task_type
            return attempt, team
        except QueueTrouble as error:
            self._show("idle", tr("{error}: waiting", error=error.cause))
            return self._give_up_claim()
        except QueueError:
            # The row has changed since it was read: looked at again.
            return self._give_up_claim()
        except OSError as error:
            self._show("idle", tr("{error}: waiting", error=f"{error.filename or ''} {reason_of(error)}".strip()))
            return self._give_up_claim()

    def _give_up_claim(self) -> tuple[None, tuple[Worker, ...]]:
        self._muster.part(self.worker)
        return None, ()

    def _candidate(self) -> Job | None:
        """The job that this worker may take next: none that another has taken, a gang that gathers here first."""
        muster, me = self._muster, self.worker
        serving = muster.serving(me)
        if serving is not None and serving[1]:
            self._show("idle")
            return None
        gathering = muster.gathering(me)
        if gathering is not None:
            candidate = self._store.next_queued([gathering])
            if candidate is not None:
                return candidate
            muster.dissolve(gathering)
        warm_task = self._last_task if self._parts.group_by_model else ""
        now = self._parts.now()
        self._not_here = {job_id: until for job_id, until in self._not_here.items() if until > now}
        candidate = self._store.next_queued(self._only, warm_task, muster.not_for(me, tuple(self._not_here)))
        if candidate is None or (self._parts.group_by_model and muster.leave_to_warm(me, candidate.task_type)):
            self._show("idle")
            return None
        return candidate

    def _team(self, candidate: Job) -> tuple[Worker, ...] | None:
        """Who works on the job together, () for this worker alone; None while it is not this worker's turn."""
        size = 1
        if self.worker != THIS_PROCESS:
            # What is refused here is refused in words by the attempt, which asks again.
            with suppress(PipelineError):
                size = self._muster.size_of(candidate)
        if size == 1:
            if not self._muster.take(self.worker, candidate.id):
                self._wake.set()
                return None
            return ()
        if not self._muster.fits(self.worker, size):
            self._not_here[candidate.id] = self._parts.now() + _ELSEWHERE_S
            self._wake.set()
            return None
        team = self._muster.gather(self.worker, candidate.id, size)
        if not team:
            missing = self._muster.missing(candidate.id)
            self._show("idle", missing_words(missing) if missing else "", "gpus")
            return None
        self._muster.take(self.worker, candidate.id)
        return team

    def _cannot_here(self, job: Job, error: CannotHere) -> None:
        """Leave the job to other workers; when none is left that has not said so, the row says why it waits."""
        self._not_here[job.id] = self._parts.now() + _ELSEWHERE_S
        reason = because(Code.WAITS_FOR_WORKER, why=str(error))
        if job.reason != reason:
            self._parts.log.write(str(error), level="warning", job_id=job.id)
            with suppress(QueueError):
                self._store.attempts.note(job.id, reason)
        self._muster.part(self.worker)
        # Others may have passed it over while this one looked at it.
        self._parts.worker_free()

    def _begin(self, job_id: int) -> _Attempt | None:
        """Claim a job, unless the thread is to end."""
        with self._starting:
            job = None if self._closing else self._store.attempts.claim([job_id], self.worker.name)
            if job is None:
                return None
            parts = self._parts
            heat = HeatWatch(parts.heat, parts.rest_above_c, parts.now)
            self._attempt = _Attempt(job, AttemptClock(parts.now), base_seconds=job.run_seconds, heat=heat)
        if self._stops:
            # Asked for while the job was being claimed.
            self.stop_job(Why.STOP, reason=because(Code.PROGRAM_CLOSED))
        return self._attempt

    def _admit(self, job: Job) -> str:
        try:
            return self._executor.admit(job)
        except CannotHere:
            raise
        except WorkerLost as error:
            return str(error)
        except (PipelineError, ImportError, OSError, RuntimeError) as error:
            # Asking must not end the thread: the attempt meets the same error and says so in its row.
            self._parts.log.write(tr("asking for memory: {error}", error=error), level="warning", job_id=job.id)
            return ""

    def _shortage(self, job: Job) -> Shortage | None:
        parts = self._parts
        work_dir = parts.jobs_dir / str(job.id)
        result_dir = job.results(parts.result_dir)
        needs = parts.needs(self._store.resolved(job), work_dir, result_dir)
        extra = self._short_of.get(job.id)
        if extra is not None:
            # The plan was too small once: do not start again before there is more room than at that time.
            planned = sum(need.num_bytes for need in needs)
            needs = [*needs, Need(result_dir, max(extra - planned, 0))]
        return shortage(needs, parts.free)

    def _wait_for_space(self, job: Job, short: Shortage) -> None:
        text = str(short)
        if self.waiting_for != text:
            self._parts.log.write(tr("queue waits, {text}", text=text), level="warning", job_id=job.id)
            self._show("idle", text)
        size_words = size(short.needed_bytes)
        reason = because(Code.NO_INODES) if short.no_inodes else because(Code.WAITS_FOR_DISK, size=size_words)
        if job.reason != reason:
            self._store.attempts.note(job.id, reason)

    def _wait_for_memory(self, job: Job, why: str) -> None:
        if job.reason.code is not Code.WAITS_FOR_MEMORY:
            self._parts.log.write(tr("job {id} waits: {why}", id=job.id, why=why), level="warning", job_id=job.id)
        reason = because(Code.WAITS_FOR_MEMORY, why=why)
        if job.reason != reason:
            self._store.attempts.note(job.id, reason)
        self._show("idle", tr("memory: {why}", why=why), "memory")

    def _run(self, attempt: _Attempt, team: tuple[Worker, ...]) -> None:
        """The only place of the program that catches every error of a job."""
        parts, job = self._parts, attempt.job
        self._beats.beat(self._name, BUSY_LATE_S)
        self._show("running")
        parts.log.write(
            tr("job {id} {label} starts, attempt {attempt}", id=job.id, label=job.label, attempt=job.attempts),
            job_id=job.id,
        )
        try:
            self._check_wishes(attempt, self._store.get(job.id))
            try:
                with _quick_switching():
                    output = self._executor.run(self._context(attempt, team))
            finally:
                self._keep_heat(attempt)
            self._done(attempt, output)
        except Cancelled:
            self._stopped(attempt)
        except Exception as error:
            self._failed(attempt, error)
        finally:
            self._weigh(attempt, at_once=True)
            self._attempt = None
            self.latest = None
            parts.live.clear()

    def _keep_heat(self, attempt: _Attempt) -> None:
        """Before the row says that the attempt has ended, which is told once."""
        heat = attempt.heat
        if heat is not None and (heat.rested_s or heat.slowed_s):
            # Figures for the job's page, worth no failure.
            with suppress(QueueError):
                self._store.attempts.add_heat(attempt.job.id, rested_s=heat.rested_s, slowed_s=heat.slowed_s)

    def _context(self, attempt: _Attempt, team: tuple[Worker, ...]) -> JobContext:
        job = self._store.resolved(attempt.job)
        work_dir = self._parts.jobs_dir / str(job.id)
        attempt.token.check()
        if not work_folder.prepare(work_dir, job):
            job = replace(job, segment=0, step=0)
        attempt.resolved = job
        return JobContext(
            job=job,
            report=lambda progress: self._report(attempt, progress),
            work_dir=work_dir,
            result_dir=job.results(self._parts.result_dir),
            output_stem=job.output_stem,
            wants_preview=self._parts.wants_preview,
            log=lambda text: self._parts.log.write(text, job_id=job.id),
            poll=lambda: self._poll(attempt),
            team=tuple(worker.name for worker in team),
            stop=lambda reason, urgent: attempt.token.stop(Why.STOP, reason, urgent=urgent),
        )

    def _report(self, attempt: _Attempt, progress: Progress) -> None:
        """Called by the executor at every edge where stopping is safe."""
        self._beats.beat(self._name, BUSY_LATE_S)
        important = attempt.clock.see(progress)
        self._weigh(attempt)
        try:
            if important:
                self._check_wishes(attempt, self._write_place(attempt, progress))
            elif self._parts.now() - attempt.polled_at >= _POLL_S:
                self._check_wishes(attempt, self._store.get(attempt.job.id))
        except QueueTrouble as error:
            if full_disk(error):
                raise
            # The step itself is safe in the work folder: a busy database is no reason to stop computing.
            self._parts.log.write(error.cause, level="warning", job_id=attempt.job.id)
        self._tell(attempt, progress, important=important)
        attempt.token.check()
        if important and progress.stage is Stage.DENOISE and 0 < progress.step < progress.num_steps:
            self._rest(attempt, progress)

    def _tell(
        self,
        attempt: _Attempt,
        progress: Progress,
        *,
        important: bool,
        resting_s: float | None = None,
        degrees: int | None = None,
    ) -> None:
        """Publish how the job goes."""
        clock = attempt.clock
        steps, elapsed = clock.step_seconds, clock.elapsed_s
        pace = self._parts.time_left(attempt.resolved or attempt.job, progress, steps, elapsed)
        left_s = pace.left_s() if pace is not None else None
        event = JobProgress(
            attempt.job.id,
            progress,
            elapsed,
            steps,
            clock.stage_seconds,
            left_s,
            pace,
            clock.unit_seconds,
            resting_s,
            degrees,
        )
        self.latest = event
        self._parts.live.write(event, important=important)
        self._parts.publish(event)

    def _rest(self, attempt: _Attempt, progress: Progress) -> None:
        """Let a hot or slowed GPU cool down between two steps; the step that follows takes that much longer."""
        if attempt.heat is None:
            return

        def tell(seconds: float, degrees: int | None) -> None:
            self._beats.beat(self._name, BUSY_LATE_S)
            self._tell(attempt, progress, important=not seconds, resting_s=seconds, degrees=degrees)
            # A busy database is asked again at the next look.
            with suppress(QueueTrouble):
                self._check_wishes(attempt, self._store.get(attempt.job.id))
            attempt.token.check()

        rested = attempt.heat.rest(self._parts.wait, tell)
        if rested >= 1:
            self._parts.log.write(tr("rested {seconds:.0f} s", seconds=rested), job_id=attempt.job.id)
            self._tell(attempt, progress, important=True)

    def _poll(self, attempt: _Attempt) -> None:
        """Called between blocks: a cancelled job does not finish its step."""
        self._beats.beat(self._name, BUSY_LATE_S)
        self._weigh(attempt)
        if self._parts.now() - attempt.polled_at >= _POLL_S:
            # A busy database is asked again later.
            with suppress(QueueTrouble):
                self._check_wishes(attempt, self._store.get(attempt.job.id))
        attempt.token.check_inside_step()

    def _weigh(self, attempt: _Attempt, *, at_once: bool = False) -> None:
        """Ask the engine what it holds, once a second: inside a step as well, where the peak is."""
        now = self._parts.now()
        if at_once or now - attempt.weighed_at >= _WEIGH_S:
            attempt.weighed_at = now
            if attempt.heat is not None:
                attempt.heat.see()
            # A GPU that has fallen off the bus says nothing: the attempt itself will meet the error.
            with suppress(RuntimeError):
                self.memory = self._executor.memory()
            if self.memory is not None:
                self._parts.live.write_memory(self.memory)

    def _write_place(self, attempt: _Attempt, progress: Progress) -> Job:
        """Write stage and step to the row: outside the denoising loop the step stays what it was."""
        row = attempt.job
        if progress.stage == Stage.DENOISE:
            place = (progress.step, progress.num_steps, progress.segment, progress.num_segments)
            if attempt.clock.step_seconds and progress.step:
                text = tr(
                    "step {step}/{num_steps} {seconds:.1f} s",
                    step=progress.step,
                    num_steps=progress.num_steps,
                    seconds=attempt.clock.step_seconds[-1],
                )
                self._parts.log.write(f"{text} {progress.detail}".rstrip(), job_id=row.id)
        else:
            place = (row.step, row.num_steps, row.segment, row.num_segments)
        attempt.job = self._store.attempts.update_step(
            row.id,
            stage=progress.stage.value,
            step=place[0],
            num_steps=place[1],
            segment=place[2],
            num_segments=place[3],
            run_seconds=attempt.run_seconds,
            attempt=attempt.number,
        )
        return attempt.job

    def _check_wishes(self, attempt: _Attempt, row: Job) -> None:
        """See what other processes ask for in the rows."""
        attempt.polled_at = self._parts.now()
        if row.cancel_requested:
            attempt.token.stop(Why.CANCEL)
        elif self._store.control("pause") == "now":
            attempt.token.stop(Why.PAUSE)
        elif (begins := self._parts.begins()) is not None:
            attempt.token.stop(Why.PAUSE, because(Code.OUTSIDE_HOURS, time=f"{begins:%H:%M}"))

    # How an attempt ends

    def _done(self, attempt: _Attempt, output: Output) -> None:
        job = attempt.job
        if not is_file(output.path):
            raise PipelineError(tr("the finished file {path} is not there", path=output.path))
        self._write(
            lambda: self._store.attempts.finish(
                job.id,
                output=str(output.path),
                suspect=output.suspect,
                run_seconds=attempt.run_seconds,
                attempt=attempt.number,
            )
        )
        self._short_of.pop(job.id, None)
        self._full_disks.pop(job.id, None)
        for warning in (
            *output.warnings,
            *([tr("suspect: {suspect}", suspect=output.suspect)] if output.suspect else []),
        ):
            self._parts.log.write(warning, level="warning", job_id=job.id)
        self._parts.log.write(
            tr("job {id} done in {seconds:.1f} s: {path}", id=job.id, seconds=attempt.run_seconds, path=output.path),
            job_id=job.id,
        )
        try:
            work_folder.remove(self._parts.jobs_dir / str(job.id))
        except OSError as error:
            self._parts.log.write(tr("work folder stays: {error}", error=error), level="warning", job_id=job.id)

    def _stopped(self, attempt: _Attempt) -> None:
        job, seconds, token = attempt.job, attempt.run_seconds, attempt.token
        match token.why:
            case Why.CANCEL:
                self._write(lambda: self._store.attempts.cancelled(job.id, run_seconds=seconds, attempt=attempt.number))
            case Why.PAUSE:
                reason = token.reason or because(Code.PAUSED)
                self._write(
                    lambda: self._store.attempts.requeue(
                        job.id, reason=reason, run_seconds=seconds, attempt=attempt.number
                    )
                )
            case _:
                reason = token.reason or because(Code.STOPPED)
                self._write(
                    lambda: self._store.attempts.interrupt(
                        job.id, reason=reason, run_seconds=seconds, attempt=attempt.number
                    )
                )
        self._parts.log.write(tr("job {id} stopped: {why}", id=job.id, why=tr(token.why or Why.STOP)), job_id=job.id)
        if token.reason.code is Code.MEMORY:
            self._executor.free()

    def _failed(self, attempt: _Attempt, error: Exception) -> None:
        job, seconds = attempt.job, attempt.run_seconds
        trace = error.trace if isinstance(error, FaultElsewhere) else "".join(traceback.format_exception(error))
        if full_disk(error):
            self._disk_was_full(attempt, error)
        elif isinstance(error, InputChanged):
            self._parts.log.write(str(error), level="warning", job_id=job.id)
            reason = because(Code.INPUT_CHANGED, path=str(error.path))
            self._write(
                lambda: self._store.attempts.set_aside(
                    job.id, reason=reason, run_seconds=seconds, attempt=attempt.number
                )
            )
        elif isinstance(error, WorkerLost):
            self._parts.log.write(str(error), level="error", job_id=job.id)
            reason = because(Code.WORKER_LOST, why=str(error))
            self._write(
                lambda: self._store.attempts.lost(job.id, reason=reason, run_seconds=seconds, attempt=attempt.number)
            )
        elif isinstance(error, GangLost):
            self._parts.log.write(str(error), level="error", job_id=job.id)
            reason = because(Code.GANG_LOST, why=str(error))
            self._write(
                lambda: self._store.attempts.interrupt(
                    job.id, reason=reason, run_seconds=seconds, attempt=attempt.number
                )
            )
        else:
            known = isinstance(error, PipelineError) and not isinstance(error, FaultElsewhere)
            text = failure_words(error)
            self._parts.log.write(tr("job {id} failed: {error}", id=job.id, error=text), level="error", job_id=job.id)
            self._write(
                lambda: self._store.attempts.fail(
                    job.id, error=text, traceback="" if known else trace, run_seconds=seconds, attempt=attempt.number
                )
            )

    def _disk_was_full(self, attempt: _Attempt, error: Exception) -> None:
        """Queue the job again for when there is room; hold it when space is there and writing still fails."""
        job, seconds = attempt.job, attempt.run_seconds
        free = self._parts.free(job.results(self._parts.result_dir))
        more = free + _MORE_BYTES if free < _LITTLE_BYTES else 0
        self._short_of[job.id] = max(getattr(error, "needed_bytes", 0), more)
        tries = self._full_disks[job.id] = self._full_disks.get(job.id, 0) + (not more)
        self._parts.log.write(tr("disk full: {error}", error=error), level="error", job_id=job.id)
        if tries >= _TRIES_ON_FULL_DISK:
            reason = because(Code.DISK_STAYS_FULL, tries=tries, free=size(free), error=str(error))
            self._write(
                lambda: self._store.attempts.set_aside(
                    job.id, reason=reason, run_seconds=seconds, attempt=attempt.number
                )
            )
            del self._full_disks[job.id]
            return
        self._not_before = self._parts.now() + 15 * RETRY_S
        reason = because(Code.NO_INODES if getattr(error, "no_inodes", False) else Code.DISK_FULL)
        self._write(
            lambda: self._store.attempts.requeue(job.id, reason=reason, run_seconds=seconds, attempt=attempt.number)
        )
        self._show("idle", tr("disk full ({error}), {free} free: tries again", error=error, free=size(free)))

    def _write(self, change: Callable[[], Job]) -> None:
        """Write how an attempt ended, however long the database cannot take it.

        When the program is closed first, the row stays 'running' and the next owner sorts it out.
        """
        while True:
            try:
                change()
                return
            except QueueTrouble as error:
                self._show("idle", tr("{error}: waiting", error=error.cause))
            except QueueError as error:
                # Somebody has changed the row by hand: what they made of it counts.
                self._parts.log.write(str(error), level="warning")
                return
            if self._closing:
                return
            self._wake.wait(RETRY_S)
            self._wake.clear()

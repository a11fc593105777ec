"""How an attempt ended, written to its row and to the log; runs nothing and claims nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from pipelines.front.errors import GangLost, InputChanged, PipelineError
from pipelines.front.language import tr
from pipelines.front.places import is_file
from pipelines.front.runtime import Output
from skyreels_tui.queue.engine.attempt import work_folder
from skyreels_tui.queue.engine.attempt.attempt import Attempt
from skyreels_tui.queue.engine.attempt.cancel import Why
from skyreels_tui.queue.engine.attempt.failures import failure_words
from skyreels_tui.queue.engine.limits.full_disks import FullDisks
from skyreels_tui.queue.engine.limits.space import full_disk
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.engine.stance import Stance
from skyreels_tui.queue.engine.workforce import FaultElsewhere, WorkerAway, WorkerLost
from skyreels_tui.queue.errors import QueueError, QueueTrouble
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Code, Reason, because
from skyreels_tui.queue.store.store import Store
from skyreels_tui.words.sizes import size

_TRIES_ON_FULL_DISK = 4


class Endings:
    """Of one runner; used on its thread."""

    def __init__(
        self, store: Store, parts: RunnerParts, stance: Stance, full_disks: FullDisks, wait: Callable[[], bool]
    ) -> None:
        """`wait` pauses before another try to write; False when the program is to end instead."""
        self._attempts, self._parts, self._stance = store.attempts, parts, stance
        self._full_disks, self._wait = full_disks, wait

    def done(self, attempt: Attempt, output: Output) -> None:
        """Its file is published. Raises PipelineError when it is not there."""
        job, log = attempt.job, self._parts.log
        if not is_file(output.path):
            raise PipelineError(tr("the finished file {path} is not there", path=output.path))
        self._write(
            lambda: self._attempts.finish(
                job.id,
                output=str(output.path),
                suspect=output.suspect,
                run_seconds=attempt.run_seconds,
                attempt=attempt.number,
            )
        )
        self._full_disks.forget(job.id)
        suspect = [tr("suspect: {suspect}", suspect=output.suspect)] if output.suspect else []
        for warning in (*output.warnings, *suspect):
            log.write(warning, level="warning", job_id=job.id)
        log.write(
            tr("job {id} done in {seconds:.1f} s: {path}", id=job.id, seconds=attempt.run_seconds, path=output.path),
            job_id=job.id,
        )
        try:
            work_folder.remove(self._parts.jobs_dir / str(job.id))
        except OSError as error:
            log.write(tr("work folder stays: {error}", error=error), level="warning", job_id=job.id)

    def stopped(self, attempt: Attempt) -> None:
        """It was asked to stop, and did."""
        job, seconds, token = attempt.job, attempt.run_seconds, attempt.token
        match token.why:
            case Why.CANCEL:
                self._write(lambda: self._attempts.cancelled(job.id, run_seconds=seconds, attempt=attempt.number))
            case Why.PAUSE:
                self._requeue(attempt, token.reason or because(Code.PAUSED))
            case _:
                self._interrupt(attempt, token.reason or because(Code.STOPPED))
        text = tr("job {id} stopped: {why}", id=job.id, why=tr(token.why or Why.STOP))
        self._parts.log.write(text, job_id=job.id)

    def failed(self, attempt: Attempt, error: Exception) -> None:
        """It met an error: what becomes of the job depends on what the error says of its next attempt."""
        job, log = attempt.job, self._parts.log
        if full_disk(error):
            self._disk_was_full(attempt, error)
        elif isinstance(error, InputChanged):
            log.write(str(error), level="warning", job_id=job.id)
            self._set_aside(attempt, because(Code.INPUT_CHANGED, path=str(error.path)))
        elif isinstance(error, WorkerAway):
            log.write(str(error), level="warning", job_id=job.id)
            self._requeue(attempt, because(Code.WAITS_FOR_WORKER, why=str(error)))
            self._stance.idle(str(error), "gpus")
            self._wait()
        elif isinstance(error, WorkerLost):
            log.write(str(error), level="error", job_id=job.id)
            reason, seconds = because(Code.WORKER_LOST, why=str(error)), attempt.run_seconds
            self._write(lambda: self._attempts.lost(job.id, reason=reason, run_seconds=seconds, attempt=attempt.number))
        elif isinstance(error, GangLost):
            log.write(str(error), level="error", job_id=job.id)
            self._interrupt(attempt, because(Code.GANG_LOST, why=str(error)))
        else:
            self._fail(attempt, error)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        job, seconds, text, trace = attempt.job, attempt.run_seconds, failure_words(error), ""
        if isinstance(error, FaultElsewhere):
            trace = error.trace
        elif not isinstance(error, PipelineError):
            trace = "".join(traceback.format_exception(error))
        self._parts.log.write(tr("job {id} failed: {error}", id=job.id, error=text), level="error", job_id=job.id)
        self._write(
            lambda: self._attempts.fail(
                job.id, error=text, traceback=trace, run_seconds=seconds, attempt=attempt.number
            )
        )

    def _disk_was_full(self, attempt: Attempt, error: Exception) -> None:
        """Queue the job again for when there is room; hold it when space is there and writing still fails."""
        job = attempt.job
        free = self._parts.free(job.results(self._parts.result_dir))
        tries = self._full_disks.met(job.id, free, getattr(error, "needed_bytes", 0))
        self._parts.log.write(tr("disk full: {error}", error=error), level="error", job_id=job.id)
        if tries >= _TRIES_ON_FULL_DISK:
            self._set_aside(attempt, because(Code.DISK_STAYS_FULL, tries=tries, free=size(free), error=str(error)))
            self._full_disks.forget_tries(job.id)
            return
        self._full_disks.pause()
        self._requeue(attempt, because(Code.NO_INODES if getattr(error, "no_inodes", False) else Code.DISK_FULL))
        self._stance.idle(tr("disk full ({error}), {free} free: tries again", error=error, free=size(free)))

    def _requeue(self, attempt: Attempt, reason: Reason) -> None:
        job_id, seconds = attempt.job.id, attempt.run_seconds
        self._write(lambda: self._attempts.requeue(job_id, reason=reason, run_seconds=seconds, attempt=attempt.number))

    def _interrupt(self, attempt: Attempt, reason: Reason) -> None:
        job_id, seconds = attempt.job.id, attempt.run_seconds
        self._write(
            lambda: self._attempts.interrupt(job_id, reason=reason, run_seconds=seconds, attempt=attempt.number)
        )

    def _set_aside(self, attempt: Attempt, reason: Reason) -> None:
        job_id, seconds = attempt.job.id, attempt.run_seconds
        self._write(
            lambda: self._attempts.set_aside(job_id, reason=reason, run_seconds=seconds, attempt=attempt.number)
        )

    def _write(self, change: Callable[[], Job]) -> None:
        """Write how an attempt ended, however long the database cannot take it.

        When the program is closed first, the row stays 'running' and the next owner sorts it out.
        """
        while True:
            try:
                change()
                return
            except QueueTrouble as error:
                self._stance.idle(tr("{error}: waiting", error=error.cause))
            except QueueError as error:
                # Somebody has changed the row by hand: what they made of it counts.
                self._parts.log.write(str(error), level="warning")
                return
            if not self._wait():
                return

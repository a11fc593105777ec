"""One attempt at a job: hands it to the executor, writes its steps, tells how it goes, sees who wants it stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from pipelines.front.language import tr
from pipelines.front.progress import Progress, Stage
from pipelines.front.runtime import Output
from skyreels_tui.queue.engine.attempt import work_folder
from skyreels_tui.queue.engine.attempt.cancel import CancelToken, Why
from skyreels_tui.queue.engine.attempt.clock import AttemptClock
from skyreels_tui.queue.engine.executor import Executor, JobContext
from skyreels_tui.queue.engine.limits.heat import HeatWatch
from skyreels_tui.queue.engine.limits.space import full_disk
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.engine.weighing import Weighing
from skyreels_tui.queue.engine.workforce import Worker
from skyreels_tui.queue.errors import QueueError, QueueTrouble
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.store import Store

_POLL_S = 0.5


class Attempt:
    """Runs on the inference thread; the token and what is read here belong to any thread."""

    def __init__(
        self,
        job: Job,
        team: tuple[Worker, ...],
        store: Store,
        parts: RunnerParts,
        weighing: Weighing,
        beat: Callable[[], None],
    ) -> None:
        """`job` is claimed; `beat` says that the thread goes on."""
        self.job = job
        """Its row, as written last."""
        self.token = CancelToken()
        self.latest: JobProgress | None = None
        """How it goes, as told last."""
        self._team, self._store, self._parts, self._weighing, self._beat = team, store, parts, weighing, beat
        self._clock = AttemptClock(parts.now)
        self._heat = HeatWatch(parts.heat, parts.rest_above_c, parts.now)
        self._resolved = job
        """The job with other jobs' outputs in place of its references."""
        self._seconds_before = job.run_seconds
        self._polled_at = float("-inf")

    @property
    def number(self) -> int:
        """Which attempt at its job this is: what an earlier one says is not used."""
        return self.job.attempts

    @property
    def run_seconds(self) -> float:
        """Seconds over all attempts."""
        return self._seconds_before + self._clock.elapsed_s

    def run(self, executor: Executor) -> Output:
        """Compute it. Raises Cancelled when somebody wants it stopped, and whatever the executor meets."""
        try:
            self._check_wishes(self._store.get(self.job.id))
            return executor.run(self._context())
        finally:
            self._keep_heat()

    def end(self) -> None:
        """It has ended, however: what the engine holds now is told, how it goes is no longer."""
        self._look(at_once=True)
        self._parts.live.clear()

    def _keep_heat(self) -> None:
        """Before the row says that the attempt has ended, which is told once."""
        if self._heat.rested_s or self._heat.slowed_s:
            # Figures for the job's page, worth no failure.
            with suppress(QueueError):
                self._store.attempts.add_heat(self.job.id, rested_s=self._heat.rested_s, slowed_s=self._heat.slowed_s)

    def _context(self) -> JobContext:
        parts, job = self._parts, self._store.resolved(self.job)
        work_dir = parts.jobs_dir / str(job.id)
        self.token.check()
        if not work_folder.prepare(work_dir, job):
            job = replace(job, segment=0, step=0)
        self._resolved = job
        return JobContext(
            job=job,
            report=self._report,
            work_dir=work_dir,
            result_dir=job.results(parts.result_dir),
            output_stem=job.output_stem,
            wants_preview=parts.wants_preview,
            log=lambda text: parts.log.write(text, job_id=job.id),
            poll=self._poll,
            team=tuple(worker.name for worker in self._team),
            stop=lambda reason, urgent: self.token.stop(Why.STOP, reason, urgent=urgent),
        )

    # Called by the executor

    def _report(self, progress: Progress) -> None:
        """At every edge where stopping is safe."""
        self._beat()
        important = self._clock.see(progress)
        self._look()
        try:
            if important:
                self._check_wishes(self._write_place(progress))
            elif self._parts.now() - self._polled_at >= _POLL_S:
                self._check_wishes(self._store.get(self.job.id))
        except QueueTrouble as error:
            if full_disk(error):
                raise
            # The step itself is safe in the work folder: a busy database is no reason to stop computing.
            self._parts.log.write(error.cause, level="warning", job_id=self.job.id)
        self._tell(progress, important=important)
        self.token.check()
        if important and progress.stage is Stage.DENOISE and 0 < progress.step < progress.num_steps:
            self._rest(progress)

    def _poll(self) -> None:
        """Between blocks: a cancelled job does not finish its step."""
        self._beat()
        self._look()
        if self._parts.now() - self._polled_at >= _POLL_S:
            # A busy database is asked again later.
            with suppress(QueueTrouble):
                self._check_wishes(self._store.get(self.job.id))
        self.token.check_inside_step()

    # What both do

    def _look(self, *, at_once: bool = False) -> None:
        if self._weighing.weigh(at_once=at_once):
            self._heat.see()

    def _tell(
        self, progress: Progress, *, important: bool, resting_s: float | None = None, degrees: int | None = None
    ) -> None:
        """Publish how the job goes."""
        clock = self._clock
        steps, elapsed = clock.step_seconds, clock.elapsed_s
        pace = self._parts.time_left(self._resolved, progress, steps, elapsed)
        event = JobProgress(
            self.job.id,
            progress,
            elapsed,
            steps,
            clock.stage_seconds,
            pace.left_s() if pace is not None else None,
            pace,
            clock.unit_seconds,
            resting_s,
            degrees,
        )
        self.latest = event
        self._parts.live.write(event, important=important)
        self._parts.publish(event)

    def _rest(self, progress: Progress) -> None:
        """Let a hot or slowed GPU cool down between two steps; the step that follows takes that much longer."""

        def tell(seconds: float, degrees: int | None) -> None:
            self._beat()
            self._tell(progress, important=not seconds, resting_s=seconds, degrees=degrees)
            # A busy database is asked again at the next look.
            with suppress(QueueTrouble):
                self._check_wishes(self._store.get(self.job.id))
            self.token.check()

        rested = self._heat.rest(self._parts.wait, tell)
        if rested >= 1:
            self._parts.log.write(tr("rested {seconds:.0f} s", seconds=rested), job_id=self.job.id)
            self._tell(progress, important=True)

    def _write_place(self, progress: Progress) -> Job:
        """Write stage and step to the row: outside the denoising loop the step stays what it was."""
        row = self.job
        if progress.stage == Stage.DENOISE:
            place = (progress.step, progress.num_steps, progress.segment, progress.num_segments)
            if self._clock.step_seconds and progress.step:
                text = tr(
                    "step {step}/{num_steps} {seconds:.1f} s",
                    step=progress.step,
                    num_steps=progress.num_steps,
                    seconds=self._clock.step_seconds[-1],
                )
                self._parts.log.write(f"{text} {progress.detail}".rstrip(), job_id=row.id)
        else:
            place = (row.step, row.num_steps, row.segment, row.num_segments)
        self.job = self._store.attempts.update_step(
            row.id,
            stage=progress.stage.value,
            step=place[0],
            num_steps=place[1],
            segment=place[2],
            num_segments=place[3],
            run_seconds=self.run_seconds,
            attempt=self.number,
        )
        return self.job

    def _check_wishes(self, row: Job) -> None:
        """See what other processes ask for in the rows."""
        self._polled_at = self._parts.now()
        if row.cancel_requested:
            self.token.stop(Why.CANCEL)
        elif self._store.control("pause") == "now":
            self.token.stop(Why.PAUSE)
        elif (begins := self._parts.begins()) is not None:
            self.token.stop(Why.PAUSE, because(Code.OUTSIDE_HOURS, time=f"{begins:%H:%M}"))

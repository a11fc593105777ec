"""Follows jobs to their end and says how they go: progress on stderr, results for the caller."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pipelines.front.language import mark, tr
from pipelines.front.progress import Stage
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.describe import job_data, progress_data, progress_words, why_words
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code

if TYPE_CHECKING:
    from skyreels_tui.commands.shared.stopping import Stop
    from skyreels_tui.queue.service import QueueService

Style = Literal["lines", "json", "none"]

LEVELS = (mark("warning"), mark("error"))
"""Of log lines that are told."""

TICK_S = 0.5
REST_TOLD_S = 10.0
"""Between two lines about one rest."""
"""A lost event costs at most this long: then the row is read."""

ENDS: dict[JobState, Exit] = {
    JobState.DONE: Exit.OK,
    JobState.FAILED: Exit.FAILED,
    JobState.CANCELLED: Exit.CANCELLED,
    JobState.INTERRUPTED: Exit.CANCELLED,
    JobState.HELD: Exit.BUSY,
    JobState.BLOCKED: Exit.BUSY,
}
"""States that end waiting for a job, and what they make of the exit code."""


def add_progress_option(parser: Parser) -> None:
    """Take --progress."""
    parser.add_argument(
        "--progress",
        choices=("lines", "json", "none"),
        default="lines",
        help=tr("what goes to stderr while jobs run: words, one JSON object a line, or only problems"),
    )


class Teller:
    """Takes events from any thread and writes them to stderr from the thread that calls `pump`."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._events: queue.SimpleQueue[Event | str] = queue.SimpleQueue()
        self._last: tuple[object, ...] = ()
        self._last_at = float("-inf")
        self._status = ""
        self._states: dict[int, JobState] = {}

    def publish(self, event: Event) -> None:
        """Keep an event for the next `pump`; never blocks."""
        self._events.put(event)

    def remark(self, text: str) -> None:
        """Keep a line of words for the next `pump`; for any thread."""
        self._events.put(text)

    def pump(self, timeout_s: float = TICK_S) -> None:
        """Write what has come in, after waiting at most `timeout_s` for something to come."""
        try:
            self._tell(self._events.get(timeout=timeout_s))
            while True:
                self._tell(self._events.get_nowait())
        except queue.Empty:
            return

    def look(self, job: Job) -> None:
        """Tell a row that was read, if its state is new: from another process no such event comes."""
        self._tell(JobChanged(job))

    def note(self, text: str) -> None:
        """Write one line of words, or the same as a JSON object."""
        if self._style != "none":
            output.note(text)

    def _tell(self, event: Event | str) -> None:
        if self._style == "none":
            return
        match event:
            case str():
                self.note(event)
            case JobProgress():
                self._tell_progress(event)
            case JobChanged(job) if self._style == "json" and self._states.get(job.id) != job.state:
                self._states[job.id] = job.state
                output.tell({"event": "job", **job_data(job)})
            case LogLine(level=level, text=text) if level != "info":
                self.note(f"{tr(level)}: {text}")
            case QueueStatus(message=message) if message and message != self._status:
                self._status = message
                self.note(message)

    def _tell_progress(self, event: JobProgress) -> None:
        progress = event.progress
        now, place = time.monotonic(), (event.job_id, progress.stage, progress.segment)
        counted = (*place, progress.step, None if event.resting_s is None else int(event.resting_s / REST_TOLD_S))
        if counted == self._last:
            return
        # Every denoising step is told; chunks of loading and decoding come too fast for that.
        if place == self._last[:3] and progress.stage is not Stage.DENOISE and now - self._last_at < 1:
            return
        self._last, self._last_at = counted, now
        if self._style == "json":
            output.tell(progress_data(event))
        else:
            output.note(progress_words(event))


def exit_code(jobs: Iterable[Job]) -> Exit:
    """Return the worst of some ended jobs: failed before cancelled before waiting."""
    codes = {ENDS.get(job.state, Exit.CANCELLED) for job in jobs}
    return next((code for code in (Exit.FAILED, Exit.CANCELLED, Exit.BUSY) if code in codes), Exit.OK)


def tell_results(jobs: Sequence[Job], *, as_json: bool, always_list: bool = False) -> Exit:
    """Write the mp4 paths of done jobs to stdout, and on stderr why the others have none.

    As JSON: one object for one job, else an array; always an array with `always_list`.
    """
    if as_json:
        objects = [job_data(job) for job in jobs]
        output.data(objects[0] if len(objects) == 1 and not always_list else objects)
    for job in jobs:
        if job.state is JobState.DONE:
            if job.suspect:
                output.note(tr("job {id}: the video looks wrong: {suspect}", id=job.id, suspect=job.suspect))
            if not as_json:
                output.path(job.output)
        else:
            words = "; ".join(part for part in (why_words(job), _advice(job)) if part)
            output.note(tr("job {id} {state}: {words}", id=job.id, state=tr(job.state), words=words))
    return exit_code(jobs)


def _advice(job: Job) -> str:
    if job.state is JobState.INTERRUPTED:
        return tr(
            "step {step} of {num_steps} is kept; go on: skyreels-tui run --resume",
            step=job.step,
            num_steps=job.num_steps,
        )
    if job.state is JobState.HELD:
        return tr("let it go: skyreels-tui release {id}", id=job.id)
    return "" if why_words(job) else tr("see skyreels-tui show {id}", id=job.id)


def follow(
    service: QueueService, job_ids: Sequence[int], teller: Teller, stop: Stop, timeout_s: float | None = None
) -> list[Job]:
    """Tell how jobs go until each has ended, `stop` was asked or time is up; returns their rows, in order."""
    stop.service = service
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        jobs = [service.job(job_id) for job_id in job_ids]
        if not service.is_owner:
            for job in jobs:
                teller.look(job)
        if stop.over or all(map(has_ended, jobs)) or (deadline and time.monotonic() >= deadline):
            teller.pump(0)
            stop.settle()
            return jobs
        teller.pump()


def has_ended(job: Job) -> bool:
    """True when waiting for a job is over; a job that waits for another one goes on being waited for."""
    if job.state is JobState.BLOCKED:
        return job.reason.code is not Code.WAITS_FOR_JOB
    return job.state in ENDS

"""The queue as the app and the command line see it: one facade over store, lock, runner and live files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.request import Request
from skyreels_tui.executors.protocol import Executor
from skyreels_tui.folders import Folders
from skyreels_tui.jobs.events import JobProgress, Publish, QueueStatus
from skyreels_tui.jobs.model import Job
from skyreels_tui.jobs.rows import NewJob

HangUp = Literal["finish_queue", "finish_job", "stop"]


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """Settings of the queue; plain values that the settings file fills in."""

    auto_resume: bool = False
    """Interrupted jobs go on by themselves at the start."""
    on_hang_up: HangUp = "finish_job"
    """What the engine does when its terminal goes away."""
    only_job: int | None = None
    """Run this job (and what it refers to) and nothing else: for `generate`."""


class QueueService:
    """Opens the queue as owner (runs jobs) or as viewer (another process runs them); thread-safe.

    Every method that changes something returns after the change is durable and raises `QueueError`
    (a job that is gone, a state that forbids it) or `InvalidRequest` otherwise. `publish` is called on any
    thread and must not block.
    """

    def __init__(
        self,
        folders: Folders,
        result_dir: Path,
        publish: Publish,
        *,
        executor: Callable[[], Executor] | None = None,
        options: QueueOptions | None = None,
    ) -> None:
        """Open the store and try the lock; raises DatabaseUnusable. Starts no thread, runs nothing.

        `executor` is called once, on the thread that starts the runner; None: this process never runs jobs.
        """
        raise NotImplementedError

    # Life

    def start(self) -> None:
        """Start the watching thread and, as owner, the inference thread: call after the first paint."""
        raise NotImplementedError

    def close(self, *, timeout_s: float | None = None) -> bool:
        """Stop the running job at its step edge (it resumes later), join the threads, close the store.

        Returns False when the job did not reach an edge within `timeout_s`; call again to go on waiting.
        """
        raise NotImplementedError

    @property
    def is_owner(self) -> bool:
        """True when this process runs the jobs; a viewer becomes owner when the owner ends."""
        raise NotImplementedError

    @property
    def read_only(self) -> bool:
        """True when a newer version wrote the queue: every change raises ReadOnlyQueue."""
        raise NotImplementedError

    @property
    def running_job(self) -> int | None:
        """Id of the job that runs now, in this process or in another."""
        raise NotImplementedError

    # Reading

    def jobs(self, *, include_finished: bool = True, limit: int | None = None) -> list[Job]:
        """Unfinished jobs in queue order, then finished ones, newest first; deleted ones are left out."""
        raise NotImplementedError

    def job(self, job_id: int) -> Job:
        """One row, also a deleted one; raises NoSuchJob."""
        raise NotImplementedError

    def status(self) -> QueueStatus:
        """Whether the queue runs, is paused, or waits, and why."""
        raise NotImplementedError

    def progress(self) -> JobProgress | None:
        """The latest progress of the running job."""
        raise NotImplementedError

    def wait(self, job_id: int, timeout_s: float | None = None) -> Job:
        """Block until the job is finished, held, blocked or interrupted (or time is up); returns its row."""
        raise NotImplementedError

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Block until nothing runs and nothing can be claimed; False when time is up first."""
        raise NotImplementedError

    # Adding

    def add(self, request: Request, *, label: str = "", batch: str = "", held: bool = False) -> Job:
        """Check the request, store it at the end of the queue; raises InvalidRequest."""
        raise NotImplementedError

    def add_many(self, entries: Sequence[NewJob]) -> list[Job]:
        """Add all or none; raises InvalidRequest whose fields read 'entry 3.prompt'."""
        raise NotImplementedError

    def duplicate(self, job_id: int, seeds: Sequence[int] | None = None) -> list[Job]:
        """Add one copy a seed at the end of the queue; without seeds one copy with the same seed."""
        raise NotImplementedError

    def retry(self, job_id: int) -> Job:
        """Add a new row for a failed, cancelled or done job; it says which one it retries."""
        raise NotImplementedError

    # Changing

    def edit(self, job_id: int, request: Request, *, label: str | None = None) -> Job:
        """Replace the request of a pending job; stored steps of the old request are not used."""
        raise NotImplementedError

    def cancel(self, job_id: int) -> Job:
        """Cancel now when it waits, at the next step edge when it runs."""
        raise NotImplementedError

    def hold(self, job_id: int) -> Job:
        """Keep a pending or interrupted job from running until it is released."""
        raise NotImplementedError

    def release(self, job_id: int) -> Job:
        """Let a held job queue again."""
        raise NotImplementedError

    def resume(self, job_id: int) -> Job:
        """Queue an interrupted job again; it goes on at its stored step."""
        raise NotImplementedError

    def restart(self, job_id: int) -> Job:
        """Forget the stored steps of a pending or interrupted job and queue it from step 0."""
        raise NotImplementedError

    def move(self, job_id: int, offset: int) -> Job:
        """Move by `offset` places among the unfinished jobs: negative is sooner."""
        raise NotImplementedError

    def move_to(self, job_id: int, place: int) -> Job:
        """Move to a place among the unfinished jobs, 1 is first; past the end means last."""
        raise NotImplementedError

    def run_next(self, job_id: int) -> Job:
        """Put a job before all others that wait; a held one is released."""
        raise NotImplementedError

    def rename(self, job_id: int, label: str) -> Job:
        """Change the label of any job."""
        raise NotImplementedError

    def delete(self, job_id: int) -> Job:
        """Hide a job that does not run; its files stay. `undelete` brings it back."""
        raise NotImplementedError

    def undelete(self, job_id: int) -> Job:
        """Bring a deleted job back, in the state and place it had."""
        raise NotImplementedError

    # The queue as a whole

    def pause(self, *, now: bool = False) -> None:
        """Stop after the current job, or with `now` at its next step edge (it goes on later)."""
        raise NotImplementedError

    def unpause(self) -> None:
        """Go on after a pause."""
        raise NotImplementedError

    def stop_job(self) -> None:
        """Interrupt the running job at its next step edge; the queue goes on with the next job."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """The terminal is gone: go on, finish the job or stop, as `options.on_hang_up` says."""
        raise NotImplementedError

    def ask_preview(self) -> None:
        """Say that somebody looks at the preview; repeat every few seconds while that is so."""
        raise NotImplementedError

"""A job and its states; plain frozen data that the store writes and the screens read. `states` says what may follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.front.language import mark
from skyreels_tui.queue.reasons import NONE, Reason

if TYPE_CHECKING:
    from pipelines.front.request import Request
    from pipelines.tasks.spec import TaskSpec


class JobState(StrEnum):
    """Where a job stands. `suspect` is no state but a mark on a done job."""

    QUEUED = mark("queued")
    HELD = mark("held")
    BLOCKED = mark("blocked")
    RUNNING = mark("running")
    INTERRUPTED = mark("interrupted")
    DONE = mark("done")
    FAILED = mark("failed")
    CANCELLED = mark("cancelled")


FINISHED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})
PENDING = frozenset({JobState.QUEUED, JobState.HELD, JobState.BLOCKED})
"""Waiting, or told to wait."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the queue. Times are UTC ISO text; durations come from a monotonic clock."""

    id: int
    label: str
    task_type: str
    request_json: str
    state: JobState
    position: float
    """Order in the queue: smaller runs first."""
    created_at: str
    started_at: str = ""
    finished_at: str = ""
    run_seconds: float = 0.0
    """Seconds spent running, over all attempts."""
    stage: str = ""
    step: int = 0
    num_steps: int = 0
    segment: int = 0
    num_segments: int = 0
    attempts: int = 0
    output: str = ""
    """Path of the finished mp4."""
    output_stem: str = ""
    """Fixed at the first claim."""
    suspect: str = ""
    """Why a finished video looks wrong, or ''."""
    error: str = ""
    """What went wrong, in one sentence for a person."""
    traceback: str = ""
    reason: Reason = NONE
    """Why it is held, blocked or interrupted, or does not start."""
    batch: str = ""
    retry_of: int | None = None
    cancel_requested: bool = False
    deleted: bool = False
    """Hidden from lists; undo brings it back."""
    result_dir: str = ""
    """Where its video goes, decided when it was added; '' in rows of older queues: where the runner's go."""

    def results(self, default: Path) -> Path:
        """The folder of its video; `default` for a row that names none."""
        return Path(self.result_dir) if self.result_dir else default

    @property
    def task(self) -> TaskSpec:
        """The task this job belongs to."""
        # The tasks are imported when a row is looked into: a list of rows, and the first paint, need none.
        from pipelines.tasks import task_named

        return task_named(self.task_type)

    @property
    def request(self) -> Request:
        """The request, parsed."""
        return self.task.request_type.from_json(self.request_json)

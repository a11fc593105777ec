"""A job and its states; plain frozen data that the store writes and the screens read. `states` says what may follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import mark, tr
from pipelines.front.task_names import SHORT, TITLES
from skyreels_tui.queue.reasons import NONE, Reason
from skyreels_tui.words.safe_text import safe

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
    rested_s: float = 0.0
    """Seconds it rested between steps for a hot or slowed GPU, over all attempts."""
    slowed_s: float = 0.0
    """Seconds it ran while heat or power slowed the GPU's clocks, over all attempts."""
    worker: str = ""
    """Which worker runs it, or ran it last; '' is the process of the queue itself."""
    scene: int = 0
    """The scene of the film `batch` that it is a take of; 0 for none."""

    def results(self, default: Path) -> Path:
        """The folder of its video; `default` for a row that names none."""
        return Path(self.result_dir) if self.result_dir else default

    @property
    def short(self) -> str:
        """The task as lists print it; the stored name where this program has no such task."""
        return SHORT.get(self.task_type) or safe(self.task_type, 6) or "?"

    @property
    def title(self) -> str:
        """The task in words, or its stored name."""
        return tr(TITLES.get(self.task_type, "")) or safe(self.task_type, 40) or "?"

    @property
    def task(self) -> TaskSpec:
        """The task this job belongs to; raises InvalidRequest where this program has none of that name."""
        found = next((task for task in _tasks() if task.name == self.task_type), None)
        if found is None:
            raise self._unreadable(tr("no task is called {name!r}", name=self.task_type[:40]))
        return found

    @property
    def request(self) -> Request:
        """The request, parsed; raises InvalidRequest for one that is damaged or of another version."""
        request_type = self.task.request_type
        try:
            return request_type.from_json(self.request_json)
        except (ValueError, TypeError, AttributeError) as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, why: str) -> InvalidRequest:
        words = tr("job {id} cannot be read: {why}; delete it, or update the program", id=self.id, why=why)
        return InvalidRequest([Problem("request", words)])


def _tasks() -> Sequence[TaskSpec]:
    # The tasks are imported when a row is looked into: a list of rows, and the first paint, need none.
    from pipelines.tasks import WORK

    return WORK

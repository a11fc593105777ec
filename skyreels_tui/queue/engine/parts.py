"""What a runner works with besides the store and the executor; tests replace single parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipelines.front.progress import Progress
from skyreels_tui.files.folders import free_bytes
from skyreels_tui.queue.engine.limits.heat import ReadHeat, no_heat
from skyreels_tui.queue.engine.limits.space import FreeBytes, Need
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import EngineLog
from skyreels_tui.queue.events import Publish
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.pace import Pace
from skyreels_tui.requests.planning import known_plan

RETRY_S = 2.0
"""How often a full disk or a database that cannot be written is looked at again."""
BUSY_LATE_S = 1800.0
"""A thread that loads a model or computes a block reports nothing meanwhile."""


class TimeLeftEstimate(Protocol):
    """Says how a job goes, from which the time left follows."""

    def __call__(
        self, job: Job, progress: Progress, steps: Sequence[float], elapsed_s: float, /, *, kind: str = ""
    ) -> Pace | None:
        """`steps` are the seconds of this attempt's steps, `kind` is the worker's; None while nothing is known."""


def no_estimate(
    _job: Job, _progress: Progress, _steps: Sequence[float], _elapsed: float, /, *, kind: str = ""
) -> Pace | None:
    """The default for `time_left`: nothing is known."""
    return None


def planned_needs(job: Job, work_dir: Path, result_dir: Path) -> list[Need]:
    """Disk that the job will fill, from its plan; nothing when the plan cannot be made."""
    plan = known_plan(job)
    if plan is None:
        return []
    return [Need(result_dir, plan.output_bytes), Need(work_dir, plan.work_bytes)]


@dataclass(slots=True)
class RunnerParts:
    """Where the runner works and whom it tells."""

    jobs_dir: Path
    result_dir: Path
    publish: Publish
    log: EngineLog
    live: LiveFiles
    now: Callable[[], float] = time.monotonic
    free: FreeBytes = free_bytes
    needs: Callable[[Job, Path, Path], list[Need]] = planned_needs
    time_left: TimeLeftEstimate = no_estimate
    wants_preview: Callable[[], bool] = lambda: False
    begins: Callable[[], datetime | None] = lambda: None
    """When jobs may run next, in local time; None: now."""
    has_model: Callable[[Job], bool] = lambda _: True
    """Whether what the job computes with is on this machine: asked for jobs that were queued to wait for it."""
    group_by_model: bool = False
    """Prefer jobs of the task that ran last, whose model is loaded."""
    heat: ReadHeat = no_heat
    """Looks at the GPU's temperature and clocks."""
    rest_above_c: Callable[[], int] = lambda: 0
    """Jobs rest between steps above so many degrees; 0: never."""
    wait: Callable[[float], object] = time.sleep
    """Waits so many seconds of a rest."""
    retry_s: float = RETRY_S
    """Pause before a full disk or a database that cannot be written is tried again."""
    busy_late_s: float = BUSY_LATE_S
    """A thread with a job that reports nothing for longer is late."""
    state_changed: Callable[[], None] = lambda: None
    """Called when what the runner does, or why it waits, has changed."""
    worker_free: Callable[[], None] = lambda: None
    """Called when a worker has ended a job: others may have waited for it."""

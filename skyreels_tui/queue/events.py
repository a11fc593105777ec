"""Plain frozen facts that the runner publishes; any thread may hold them, none needs Textual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipelines.front.progress import Progress
    from skyreels_tui.files.boot_clock import BootTime
    from skyreels_tui.queue.film import Film
    from skyreels_tui.queue.model import Job
    from skyreels_tui.queue.pace import Pace

Engine = Literal["off", "warming", "idle", "running"]
"""What the inference thread does."""
Pause = Literal["", "after_job", "now", "disk", "memory", "hours"]


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A row was written; `job` is its new content."""

    job: Job


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """Several rows or the order changed: list again."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The running job moved on. May be dropped or coalesced: the row holds what matters."""

    job_id: int
    progress: Progress
    elapsed_s: float
    """Monotonic seconds since this attempt began."""
    step_seconds: tuple[float, ...] = ()
    """Durations of this attempt's finished denoising steps, oldest first, at most the last 120."""
    stage_seconds: tuple[tuple[str, float], ...] = ()
    """(stage, seconds) of the finished stages of this attempt, in order."""
    left_s: float | None = None
    """Estimated seconds until this job ends, at the report; None while nothing is known."""
    pace: Pace | None = None
    """From which the time left follows at any moment after the report; None while nothing is known."""
    unit_seconds: float | None = None
    """Measured seconds a unit of the running stage: a step, a piece, a byte; None before the first has ended."""
    resting_s: float | None = None
    """Seconds that it has rested between two steps, because the GPU is hot or slowed down; None while it computes."""
    degrees: int | None = None
    """Of the GPU while it rests, where that is known."""


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What the process that runs jobs says about its own memory."""

    weights_bytes: int = 0
    allocated_bytes: int = 0
    """Weights and tensors in use; on a machine without a GPU the process's own resident bytes."""
    reserved_bytes: int = 0
    """What the GPU's allocator holds, blocks kept for the next call included; 0 without a GPU."""
    peak_bytes: int = 0
    """Most that the running job, or the last one, has held."""

    @property
    def spare_bytes(self) -> int:
        """Held by the allocator for the next call, used by nothing."""
        return max(0, self.reserved_bytes - self.allocated_bytes)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the engine log."""

    at: str
    """UTC ISO time."""
    level: str
    """'info', 'warning' or 'error'."""
    text: str
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Whether this process runs the queue and whether the queue stands still, and why."""

    is_owner: bool
    """False: another process runs the jobs; this one shows and edits them."""
    pause: Pause = ""
    """'after_job' and 'now' were asked for; the others end by themselves, with room again or at the hour."""
    message: str = ""
    """Why it stands still, with the exact need: 'disk full: needs 1.2 GiB on /data, 0.3 GiB free'."""
    read_only: bool = False
    """A newer version of the program wrote the queue."""
    engine: Engine = "off"
    """What the inference thread does, of whatever process; 'off' where nobody runs the queue."""
    since: BootTime | None = None
    """When the engine began to do that."""
    stopping: bool = False
    """The running job was asked to stop, and has not yet reached a point where it can."""
    windowless: bool = False
    """The process that runs the queue has no window in which it could be left."""
    workers: int = 0
    """How many workers run jobs, of whatever process; 0 where nobody runs the queue."""
    busy: int = 0
    """How many of them work on a job."""
    has_gpus: bool = True
    """Whether any of them has a GPU."""
    crew: tuple[tuple[str, str], ...] = ()
    """Name and kind of each worker: those of another kind than this machine's GPU have a speed of their own."""


@dataclass(frozen=True, slots=True)
class FilmEnded:
    """No take of a film is queued or runs any more: it is done, or stands still."""

    film: Film


Event = JobChanged | QueueChanged | FilmEnded | JobProgress | LogLine | QueueStatus
Publish = Callable[[Event], None]
"""Hands an event to whoever listens; must not block."""

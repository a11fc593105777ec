"""What a worker in another process and the queue's process say to each other: plain data, no callables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipelines.front.progress import Progress
from pipelines.front.runtime import Output
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Reason

PART_BYTES = 4 * 2**20
"""Files travel in parts of at most so many bytes."""

Area = Literal["inputs", "work", "results"]
"""Which of a worker's folders a file lies in."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one job. Its files have been put on the worker before."""

    job: Job
    """With the paths that its input files have on the worker."""
    work_dir: str
    """The job's work folder at the queue's process: a result names files there, not the worker's copies."""
    originals: Mapping[str, str]
    """Path of a copy on the worker -> path of the person's file."""

    @property
    def key(self) -> tuple[int, int]:
        """Job and attempt: what is said for another one is not used."""
        return self.job.id, self.job.attempts


@dataclass(frozen=True, slots=True)
class Reported:
    """A report of the job; everything it rests on was sent before it."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the engine's log."""

    text: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file; the last one completes it."""

    area: Area
    name: str
    offset: int
    data: bytes
    is_last: bool


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A file of the work folder that is not there any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Holds:
    """What the worker holds in memory."""

    memory: EngineMemory


@dataclass(frozen=True, slots=True)
class Stopping:
    """The worker's own machine asks to stop: its memory runs out."""

    reason: Reason
    urgent: bool


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The job is done; its video and the sidecar were sent before this."""

    output: Output


@dataclass(frozen=True, slots=True)
class JobStopped:
    """The attempt has ended because it was told to."""


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The attempt has ended by an error, told by its kind and in the worker's words."""

    kind: str
    words: str
    trace: str = ""
    """For a fault of the program."""
    values: tuple[object, ...] = ()
    """Plain values that the kind of error is made of again."""


Message = Reported | Logged | FilePart | FileRemoved | Holds | Stopping | JobEnded | JobStopped | JobFailed
END = (JobEnded, JobStopped, JobFailed)

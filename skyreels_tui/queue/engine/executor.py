"""What runs a job: the contract between the runner thread and an executor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipelines.front.progress import Report
from pipelines.front.runtime import Output, go_on
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Reason


def stop_nothing(_reason: Reason, _urgent: bool) -> None:
    """The default for `stop`."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the runner gives an executor for one attempt at one job."""

    job: Job
    report: Report
    """Raises `Cancelled` when the attempt is to stop."""
    work_dir: Path
    result_dir: Path
    output_stem: str
    wants_preview: Callable[[], bool]
    log: Callable[[str], None]
    poll: Callable[[], None] = go_on
    """Called between the blocks of a step; raises `Cancelled` when not even the step is wanted."""
    original_path: Callable[[str], str] = str
    """The person's file for one that the job reads, where that is a copy: results name the person's."""
    team: tuple[str, ...] = ()
    """Names of the workers that work on it together, the one that runs it first; () is that one alone."""
    stop: Callable[[Reason, bool], None] = stop_nothing
    """Stops the attempt for a reason that is seen where the job is computed: (reason, urgent)."""


class Executor(Protocol):
    """Runs one job at a time on the inference thread."""

    def run(self, context: JobContext) -> Output:
        """Run or resume the job; returns only after the file is published and verified.

        Raises Cancelled, or any PipelineError in words for a person.
        """

    def admit(self, job: Job) -> str:
        """'' when the job may start now, else why it waits: 'needs 61 GiB, 48 available: ...'."""

    def free(self) -> None:
        """Give back the memory of everything that is not in use."""

    def memory(self) -> EngineMemory | None:
        """What the engine holds at this moment; None when it cannot tell. Cheap: asked every second."""

    def warm_up(self) -> None:
        """Import what jobs will need, on the inference thread, before the first job."""

    def close(self) -> None:
        """Release models."""

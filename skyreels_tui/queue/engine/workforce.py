"""Who can run jobs for this process: its workers by name and what runs jobs on each; knows no queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.front.errors import PipelineError
from skyreels_tui.queue.engine.executor import Executor


@dataclass(frozen=True, slots=True, order=True)
class Worker:
    """One accelerator that runs a job at a time; without a name it is this process with all that it has.

    The name says which one: no two of a workforce have the same.
    """

    name: str = ""
    host: str = field(default="", compare=False)
    """Workers of one host are nearer to each other than to others."""
    has_gpu: bool = field(default=True, compare=False)
    """False for one that computes on the CPU."""
    kind: str = field(default="", compare=False)
    """Name of its GPU, or `cpu`: those of one kind are equally fast; '' for what this machine has."""


THIS_PROCESS = Worker()


class WorkerLost(PipelineError):
    """The worker that ran a job has ended or answers no more: another may go on at the stored step."""


class WorkerAway(WorkerLost):
    """The worker cannot be reached at this moment: the job has not begun on it."""


class CannotHere(PipelineError):
    """This worker cannot run the job, another may: it lacks the checkpoint."""


class FaultElsewhere(PipelineError):
    """A fault of the program in a worker's process, in its words."""

    def __init__(self, words: str, trace: str) -> None:
        self.trace = trace
        super().__init__(words)


class Workforce(Protocol):
    """The workers of a process; any thread may call any method, and none waits long."""

    def begin(self, changed: Callable[[], None]) -> None:
        """Begin to look for workers; `changed` is called whenever `workers` answers something else."""

    def workers(self) -> Sequence[Worker]:
        """Those that are there."""

    def executor(self, worker: Worker) -> Executor:
        """What runs jobs on this worker; used from one thread."""

    def trouble(self) -> str:
        """Why there are none, in words; '' while all is well."""

    def close(self) -> None:
        """Let them go, after their executors are closed."""


class Alone:
    """The workforce of a process that runs its jobs itself."""

    def __init__(self, executor: Callable[[], Executor]) -> None:
        self._executor = executor

    def begin(self, changed: Callable[[], None]) -> None:
        """It is there."""

    def workers(self) -> Sequence[Worker]:
        """This process."""
        return (THIS_PROCESS,)

    def executor(self, worker: Worker) -> Executor:
        """Make its executor."""
        return self._executor()

    def trouble(self) -> str:
        """Nothing."""
        return ""

    def close(self) -> None:
        """Nothing besides its executor."""

"""Errors that cross between processes: by their kind and plain values, never as pickled objects of their own."""

from __future__ import annotations

import traceback
from pathlib import Path

from pipelines.front.errors import (
    CheckpointMissing,
    DiskFull,
    GangLost,
    InputChanged,
    InvalidRequest,
    MediaError,
    OutOfMemory,
    PipelineError,
    Problem,
)
from skyreels_tui.executors.cluster.messages import JobFailed
from skyreels_tui.queue.engine.attempt.failures import failure_words
from skyreels_tui.queue.engine.workforce import FaultElsewhere

_OF_WORDS = {kind.__name__: kind for kind in (CheckpointMissing, GangLost, MediaError, OutOfMemory)}


def told(error: Exception) -> JobFailed:
    """What a worker says of an error."""
    kind, words = type(error).__name__, failure_words(error)
    match error:
        case InvalidRequest():
            return JobFailed(kind, words, values=tuple((one.field, one.message) for one in error.problems))
        case DiskFull():
            return JobFailed(kind, words, values=(str(error.path), error.needed_bytes, error.free_bytes))
        case InputChanged():
            return JobFailed(kind, words, values=(str(error.path),))
        case PipelineError():
            return JobFailed(kind, words)
        case _:
            return JobFailed("", words, "".join(traceback.format_exception(error)))


def raised(failed: JobFailed) -> Exception:
    """The error that the queue's process raises for it."""
    match failed.kind, failed.values:
        case "InvalidRequest", problems:
            return InvalidRequest([Problem(*problem) for problem in problems if isinstance(problem, tuple)])
        case "DiskFull", (str(path), int(needed), int(free)):
            return DiskFull(Path(path), needed, free)
        case "InputChanged", (str(path),):
            return InputChanged(Path(path))
        case "", _:
            return FaultElsewhere(failed.words, failed.trace)
        case kind, _:
            return _OF_WORDS.get(kind, PipelineError)(failed.words)

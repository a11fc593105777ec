"""The errors a person can do something about; each message says what, where and what to do next."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.language import mark, tr
from pipelines.front.sizes import size


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused field of a request: the field's name and a sentence that says what to change."""

    field: str
    message: str


class PipelineError(Exception):
    """Base of every error that is shown to a person in its own words, without a traceback."""


class InvalidRequest(PipelineError):
    """A request that cannot run; `problems` holds one entry a refused field, in form order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))


class MediaError(PipelineError):
    """A picture, video or sound file that cannot be read or written."""


class CheckpointMissing(PipelineError):
    """No usable checkpoint on this machine for a model."""


class CheckpointMismatch(PipelineError):
    """A checkpoint whose tensors are not those of the network that must load them."""

    def __init__(
        self,
        where: str,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
        wrong_shape: Iterable[str] = (),
    ) -> None:
        self.missing, self.unexpected, self.wrong_shape = list(missing), list(unexpected), list(wrong_shape)
        parts = [
            tr(kind, count=len(names), names=", ".join(names[:3]) + (", …" if len(names) > 3 else ""))
            for kind, names in (
                (mark("{count} missing ({names})"), self.missing),
                (mark("{count} unexpected ({names})"), self.unexpected),
                (mark("{count} of another shape ({names})"), self.wrong_shape),
            )
            if names
        ]
        super().__init__(
            tr(
                "{where}: tensors {problems}. Verify or download the model again.",
                where=where,
                problems="; ".join(parts),
            )
        )


class OutOfMemory(PipelineError):
    """The memory plan does not fit, or an allocation failed."""


def free_files(path: Path) -> int | None:
    """How many more files fit where `path` is; None where the file system does not count them."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    return facts.f_favail if facts.f_files else None


class GangLost(PipelineError):
    """One of the processes that work on a job together has failed or died."""


class DiskFull(PipelineError):
    """A write found no room; the figures say how much is needed where."""

    def __init__(self, path: Path, needed_bytes: int, free_bytes: int) -> None:
        self.path, self.needed_bytes, self.free_bytes = path, needed_bytes, free_bytes
        self.no_inodes = free_bytes > needed_bytes and free_files(path) == 0
        """The bytes would fit, but the file system has no room for another file."""
        super().__init__(
            tr("no room for more files at {path}: delete some there", path=path)
            if self.no_inodes
            else tr(
                "disk full at {path}: needs {needed}, {free} free",
                path=path,
                needed=size(needed_bytes),
                free=size(free_bytes),
            )
        )


INPUT_CHANGED = mark("{path} has changed since this job began: put the file back, or restart the job")


class InputChanged(PipelineError):
    """An input file is not the one the stored steps were computed from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(tr(INPUT_CHANGED, path=path))


class Cancelled(Exception):
    """Raised by `report` at a step edge when the job is to stop; only the job runner catches it."""

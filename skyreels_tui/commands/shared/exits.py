"""Exit codes of every command, and the errors that carry one; the table in doc/cli.md is made from here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from pipelines.front.language import mark


class Exit(IntEnum):
    """What a command's exit status says."""

    OK = 0
    FAILED = 1
    REFUSED = 2
    NOT_FOUND = 3
    CANCELLED = 4
    BUSY = 5


MEANING: dict[Exit, str] = {
    Exit.OK: mark("done as asked"),
    Exit.FAILED: mark("a job failed, or what was asked went wrong half way"),
    Exit.REFUSED: mark("refused input: one line a problem on stderr, nothing on stdout, nothing changed"),
    Exit.NOT_FOUND: mark("no such job, model, panel, setting or file"),
    Exit.CANCELLED: mark("the job was cancelled or interrupted, or waiting for it was"),
    Exit.BUSY: mark("not now: the job's state forbids it, it waits, or another process runs the queue"),
}


class CommandError(Exception):
    """Ends a command: `problems` go to stderr, one line each, and `code` is the exit status."""

    def __init__(self, problems: str | Sequence[str], code: Exit = Exit.REFUSED) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.code = code
        super().__init__("; ".join(self.problems))

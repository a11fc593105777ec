"""Where what the outside does ends: a driver, a kernel file, a picture, a listener; knows nothing of what is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Tried:
    """How it went."""

    error: Exception | None = None
    """What was raised; None when all was done."""

    @property
    def words(self) -> str:
        """What was raised in a few words, '' when all was done."""
        return "" if self.error is None else str(self.error) or type(self.error).__name__


@contextmanager
def boundary() -> Iterator[Tried]:
    """Let no error out of the block: who asks looks at `error` afterwards, says it and goes on."""
    tried = Tried()
    try:
        yield tried
    except Exception as error:
        tried.error = error

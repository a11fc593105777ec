"""How the queue's process reaches a desk, and what it asks to open one; the transport is behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from skyreels_tui.queue.engine.workforce import Worker


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """What a desk is told of the queue's settings; everything else is its own machine's."""

    keep_warm: bool = True
    language: str = ""
    lease_s: float = 60.0


class DeskLine(Protocol):
    """One desk. Any thread may call any method; each raises WorkerLost when the desk has gone or does not answer."""

    def call(self, method: str, *args: object, **options: object) -> Any:
        """Call a method of the desk and return what it gives."""

    def close(self) -> None:
        """End the desk, at once."""


class WorkerSite(Protocol):
    """Where desks can be opened."""

    def begin(self, changed: Callable[[], None]) -> None:
        """Begin to look; `changed` is called whenever `workers` or `trouble` answers something else."""

    def workers(self) -> Sequence[Worker]:
        """The accelerators that are there."""

    def trouble(self) -> str:
        """Why there are none, in words."""

    def open(self, team: Sequence[Worker]) -> DeskLine:
        """Open a desk with all accelerators of the team, on the first one's host. Raises WorkerLost or CannotHere."""

    def close(self) -> None:
        """Let everything go."""

"""What one worker's runner does at this moment, and why nothing starts; changes are told, nothing is decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from skyreels_tui.files.boot_clock import BootTime, boot_time
from skyreels_tui.queue.events import Engine

Lack = Literal["", "disk", "memory", "hours", "gpus"]


class Stance:
    """Written by the runner's thread alone; any thread may read it."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called after every change."""
        self._changed = changed
        self.engine: Engine = "off"
        self.since: BootTime | None = None
        """When it began to do what `engine` says."""
        self.waiting_for = ""
        """Why nothing starts, in words: memory, a full disk, a database that cannot be written."""
        self.lacks: Lack = ""
        """What `waiting_for` speaks of."""

    def show(self, engine: Engine, waiting_for: str = "", lacks: Lack = "disk") -> None:
        """Take this stance; the same again changes nothing."""
        if (engine, waiting_for) != (self.engine, self.waiting_for):
            self.since = self.since if engine == self.engine else boot_time()
            self.engine, self.waiting_for, self.lacks = engine, waiting_for, lacks if waiting_for else ""
            self._changed()

    def idle(self, waiting_for: str = "", lacks: Lack = "disk") -> None:
        """Run nothing, for the reason given in words."""
        self.show("idle", waiting_for, lacks)

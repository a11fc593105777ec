"""What the engine does at this moment, in whatever process it runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.events import EngineMemory, JobProgress, Pause, QueueStatus
from skyreels_tui.queue.owner import Owner
from skyreels_tui.queue.store.store import Store
from skyreels_tui.queue.watching.reports import watched_status


class EngineState:
    """Asked of the runners where this process has them, else of what the process that has them tells."""

    def __init__(self, store: Store, owner: Owner, live: LiveFiles) -> None:
        self._store, self._owner, self._live = store, owner, live
        self._last_pause = ""

    def status(self) -> QueueStatus:
        """Whether the queue runs, is paused or waits, and why."""
        runners = self._owner.runners
        if runners is None:
            return replace(self._told_status(), is_owner=self._owner.is_owner, read_only=self._store.read_only)
        lacks = "" if runners.lacks == "gpus" else runners.lacks
        asked = self._asked_pause()
        return QueueStatus(
            is_owner=self._owner.is_owner,
            pause="now" if asked == "now" else "after_job" if asked else lacks,
            message=runners.waiting_for,
            read_only=self._store.read_only,
            engine=runners.engine,
            since=runners.since,
            stopping=runners.stopping,
            windowless=not self.has_window,
            workers=runners.muster.size,
            busy=runners.muster.busy(),
            has_gpus=runners.muster.has_gpus(),
            crew=runners.muster.crew(),
        )

    @property
    def has_window(self) -> bool:
        """True when the process that runs jobs has a window of its own to tell a person."""
        owner = self._owner.pid
        return owner is not None and self._live.window_pid() == owner

    def crew(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of each worker of whoever runs the queue; () where nobody does."""
        runners = self._owner.runners
        return watched_status(self._live, self._owner.pid).crew if runners is None else runners.muster.crew()

    def progress(self) -> list[JobProgress]:
        """The latest progress of each running job."""
        return self._live.read() if self._owner.runners is None else self._owner.runners.progress

    def memory(self) -> EngineMemory | None:
        """What the engine holds; None when none has said or its process has ended."""
        if self._owner.runners is not None:
            return self._owner.runners.memory
        return self._live.read_memory() if self._owner.pid is not None else None

    def _told_status(self) -> QueueStatus:
        """As the owner told it; where there is none, why this process could not become it."""
        told = watched_status(self._live, self._owner.pid)
        asked = self._asked_pause()
        pause: Pause = "now" if asked == "now" else "after_job" if asked else told.pause
        trouble = self._owner.trouble
        return replace(told, pause=pause, message=told.message if trouble is None else str(trouble))

    def _asked_pause(self) -> str:
        # What was last known is shown while the file cannot be read: no thread ends by asking.
        with suppress(QueueError):
            self._last_pause = self._store.control("pause")
        return self._last_pause

"""The token by which anyone stops one attempt; a new one for every claimed job, so none outlives its job."""

from __future__ import annotations

import threading
from enum import StrEnum

from pipelines.front.errors import Cancelled
from pipelines.front.language import mark
from skyreels_tui.queue.reasons import NONE, Reason


class Why(StrEnum):
    """What becomes of the job once it has stopped; a stronger wish replaces a weaker one."""

    PAUSE = mark("pause")
    """It goes back to the queue and on at its stored step."""
    STOP = mark("stop")
    """It becomes interrupted and goes on when asked."""
    CANCEL = mark("cancel")


_STRENGTH = tuple(Why)


class CancelToken:
    """Thread-safe; once set it stays set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._why: Why | None = None
        self.reason = NONE
        self._urgent = False

    @property
    def why(self) -> Why | None:
        """The strongest wish so far."""
        return self._why

    def stop(self, why: Why, reason: Reason = NONE, *, urgent: bool = False) -> None:
        """Ask the attempt to stop at its next edge; `reason` is kept with the row. An urgent stop gives up the step."""
        with self._lock:
            self._urgent = self._urgent or urgent
            if self._why is None or _STRENGTH.index(why) > _STRENGTH.index(self._why):
                self._why, self.reason = why, reason

    def check(self) -> None:
        """Raise Cancelled when somebody asked to stop."""
        if self._why is not None:
            raise Cancelled(self._why.value)

    def check_inside_step(self) -> None:
        """Raise Cancelled when the step under way is not wanted: the job is cancelled, or memory runs out."""
        if self._why is Why.CANCEL or (self._urgent and self._why is not None):
            raise Cancelled(self._why.value)

"""Changes of the queue in the order of the keys, on a thread of their own; one that cannot be stored is kept."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pipelines.front.boundary import Tried, boundary
from pipelines.front.errors import PipelineError
from pipelines.front.language import reason_of
from skyreels_tui.queue.errors import QueueTrouble

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""How long after a failure a change is tried again."""
IDLE_S = 5.0
"""How often a thread without changes says that it goes on."""
LATE_S = 60.0
"""A try that takes longer than this hangs: it waits for other writers, and moves files."""

ChangeAnswer = Callable[[PipelineError | None], None]
"""Called once the change is durable, or with why it was refused."""


@dataclass(frozen=True, slots=True)
class _Asked:
    change: Callable[[], object]
    answer: ChangeAnswer


class Changes:
    """A disk that is busy, full, read-only or broken keeps changes waiting; it loses none while the program runs."""

    def __init__(
        self,
        deliver: Callable[[Callable[[], None]], object],
        waits: Callable[[QueueTrouble | None], None],
        beat: Callable[[float], object] = lambda _: None,
    ) -> None:
        """`deliver` calls a function on the thread that asked; `waits` hears there what keeps changes, None at the end.

        No thread runs before the first change. `beat` hears on that thread that it goes on and within how many seconds
        it says so again, math.inf at its end.
        """
        self._deliver, self._waits, self._beat = deliver, waits, beat
        self._asked: deque[_Asked] = deque()
        self._something = threading.Condition()
        self._closing = False
        self._trouble = ""
        self._thread: threading.Thread | None = None

    @property
    def kept(self) -> int:
        """Changes that wait because one could not be stored at its first try."""
        return self.waiting if self._trouble else 0

    @property
    def waiting(self) -> int:
        """Changes that are not stored yet."""
        return len(self._asked)

    def ask(self, change: Callable[[], object], answer: ChangeAnswer) -> None:
        """Carry out a change after those before it; returns at once."""
        with self._something:
            self._asked.append(_Asked(change, answer))
            self._something.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._main, name="changes", daemon=True)
                self._thread.start()

    def close(self, timeout_s: float | None = None) -> int:
        """Try what waits once more and end the thread; returns how many changes could not be stored."""
        with self._something:
            self._closing = True
            self._something.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.waiting

    def _main(self) -> None:
        self._work()
        self._beat(math.inf)

    def _work(self) -> None:
        while True:
            self._beat(IDLE_S + LATE_S)
            with self._something:
                while not self._asked:
                    if self._closing:
                        return
                    self._something.wait(IDLE_S)
                    self._beat(IDLE_S + LATE_S)
                asked, last_try = self._asked[0], self._closing
            # What one change meets is its own answer, and those behind it still follow.
            with boundary() as tried:
                asked.change()
            if isinstance(tried.error, QueueTrouble) and tried.error.passes:
                if self._trouble != tried.error.trouble:
                    self._trouble = tried.error.trouble
                    self._tell(partial(self._waits, tried.error))
                if last_try:
                    return
                with self._something:
                    if not self._closing:
                        self._something.wait(RETRY_S)
                continue
            self._asked.popleft()
            if self._trouble:
                self._trouble = ""
                self._tell(partial(self._waits, None))
            self._tell(partial(asked.answer, _refusal_of(tried)))

    def _tell(self, said: Callable[[], None]) -> None:
        # The screen may have gone: the row is written, nobody is left to tell.
        with suppress(RuntimeError):
            self._deliver(said)


def _refusal_of(tried: Tried) -> PipelineError | None:
    """Why a change was refused, in words."""
    match tried.error:
        case None:
            return None
        case PipelineError() as error:
            return error
        case OSError() as error:
            return PipelineError(f"{error.filename}: {reason_of(error)}" if error.filename else reason_of(error))
        case error:
            log.error("a change was refused", exc_info=error)
            return PipelineError(tried.words)

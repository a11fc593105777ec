"""What the engine holds, asked while a job runs: inside a step as well, where the peak is."""

from __future__ import annotations

from contextlib import suppress

from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.parts import RunnerParts
from skyreels_tui.queue.events import EngineMemory

_EVERY_S = 1.0


class Weighing:
    """Of one runner; used on its thread, `memory` may be read from any."""

    def __init__(self, executor: Executor, parts: RunnerParts) -> None:
        self._executor, self._parts = executor, parts
        self._at = float("-inf")
        self.memory: EngineMemory | None = None
        """What the engine holds, as it said last."""

    def weigh(self, *, at_once: bool = False) -> bool:
        """Ask the engine and tell other processes, once a second; True when it was asked."""
        now = self._parts.now()
        if not at_once and now - self._at < _EVERY_S:
            return False
        self._at = now
        # A GPU that has fallen off the bus says nothing: the attempt itself will meet the error.
        with suppress(RuntimeError):
            self.memory = self._executor.memory()
        if self.memory is not None:
            self._parts.live.write_memory(self.memory)
        return True

"""The workers of other processes as the queue's workforce: one open line for each team that has worked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.front.errors import PipelineError
from skyreels_tui.executors.cluster.far import FarExecutor
from skyreels_tui.executors.cluster.line import DeskLine, WorkerSite
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.workforce import CannotHere, Worker, WorkerAway, WorkerLost


class Elsewhere:
    """A workforce over a site."""

    def __init__(self, site: WorkerSite) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._lines: dict[frozenset[Worker], _Kept] = {}

    def begin(self, changed: Callable[[], None]) -> None:
        """Let the site look for workers."""
        self._site.begin(changed)

    def workers(self) -> Sequence[Worker]:
        """Those of the site."""
        return self._site.workers()

    def trouble(self) -> str:
        """Why the site has none."""
        return self._site.trouble()

    def executor(self, worker: Worker) -> Executor:
        """What runs jobs on this worker, and on teams that it leads."""
        return FarExecutor(worker, self._line_of)

    def close(self) -> None:
        """End every desk."""
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.close()
        self._site.close()

    def _line_of(self, team: tuple[Worker, ...]) -> DeskLine:
        """The open line of a team; desks that hold one of its accelerators for others end first.

        Only one thread at a time asks for a worker: the one whose turn it is.
        """
        key = frozenset(team)
        with self._lock:
            if key in self._lines:
                return self._lines[key]
            others = [line for workers, line in self._lines.items() if workers & key]
        for other in others:
            other.close()
        line = _Kept(self._open(team), lambda: self._forget(key))
        with self._lock:
            self._lines[key] = line
        return line

    def _open(self, team: tuple[Worker, ...]) -> DeskLine:
        try:
            return self._site.open(team)
        except CannotHere:
            raise
        except PipelineError as error:
            # Whatever is wrong with the way there is no fault of the job.
            raise WorkerAway(str(error)) from error

    def _forget(self, key: frozenset[Worker]) -> None:
        with self._lock:
            self._lines.pop(key, None)


class _Kept:
    """A line that is opened anew once it is lost."""

    def __init__(self, line: DeskLine, forget: Callable[[], None]) -> None:
        self._line, self._forget = line, forget

    def call(self, method: str, *args: object, **options: object) -> Any:
        try:
            return self._line.call(method, *args, **options)
        except WorkerLost:
            self.close()
            raise

    def close(self) -> None:
        self._forget()
        self._line.close()

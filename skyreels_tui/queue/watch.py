"""The thread that looks for what other processes have written, and for the lock of the queue once it is free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipelines.front.language import tr
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import EngineLog
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.events import Publish
from skyreels_tui.queue.owner import Owner
from skyreels_tui.queue.store.store import Store
from skyreels_tui.queue.watching.reports import Reports

_NAME = "queue-watch"
_LOOK_S = 0.5
"""How often other processes' writes are looked for."""
_QUIET_S = 5.0
"""After so long without one they are looked for half as often: an idle program should cost nothing."""
_LATE_S = 15.0
"""A watching thread that has done no round for this long is late; a change may wait for other writers meanwhile."""
_TELL_THREADS_S = 10.0
"""How often other processes are told which threads of the owner go on."""


class QueueWatch:
    """Runs from `start` to `end`; what it finds is acted upon on its own thread."""

    def __init__(
        self,
        store: Store,
        owner: Owner,
        live: LiveFiles,
        log: EngineLog,
        beats: Heartbeats,
        *,
        publish: Publish,
        written: Callable[[], None],
        take_over: Callable[[], None],
        looked: Callable[[], None],
    ) -> None:
        """`written` hears that another process has changed the queue, `looked` that a round is over.

        `take_over` is called while this process runs no jobs: it does if nobody else does.
        """
        self._store, self._owner, self._live, self._log, self._beats = store, owner, live, log, beats
        self._publish, self._written, self._take_over, self._looked = publish, written, take_over, looked
        self._version = store.foreign_version()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_NAME, daemon=True)

    def start(self) -> None:
        """Start looking, once."""
        self._thread.start()

    def end(self) -> None:
        """Look no more and wait for the thread, unless this is it; also where it has not been started."""
        self._ends.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        reports = Reports(self._live, self._log.path, self._publish)
        told = ""
        told_at = float("-inf")
        heard_at = time.monotonic()
        while not self._ends.wait(_LOOK_S if time.monotonic() - heard_at < _QUIET_S else 2 * _LOOK_S):
            self._beats.beat(_NAME, _LATE_S)
            if self._owner.is_owner and time.monotonic() - told_at >= _TELL_THREADS_S:
                told_at = time.monotonic()
                self._live.write_threads(self._beats.ages())
            try:
                if self._look(reports):
                    heard_at = time.monotonic()
                told = ""
            except (QueueError, OSError) as error:
                # It passes, or the next change says so: looked at again, said once.
                if str(error) != told:
                    told = str(error)
                    self._log.write(tr("watching the queue: {error}", error=error), level="warning")
        self._beats.end(_NAME)

    def _look(self, reports: Reports) -> bool:
        """Look once; returns whether another process has written, or runs the jobs."""
        version = self._store.foreign_version()
        heard = version != self._version
        if heard:
            self._version = version
            self._written()
        if self._owner.runners is None:
            # Before this process takes over: what it writes itself it has published already.
            reports.look()
            self._take_over()
            heard = True
        self._looked()
        return heard

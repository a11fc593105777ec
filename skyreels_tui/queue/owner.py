"""The process that runs the jobs: becoming it, the threads that it then has, and letting go of them in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pipelines.front.host_memory import available_bytes
from pipelines.front.language import reason_of, tr
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.batches.inbox import POLL_S, Inbox, ReadFilms
from skyreels_tui.queue.batches.inbox import Queue as InboxQueue
from skyreels_tui.queue.engine import sweep
from skyreels_tui.queue.engine.attempt.cancel import Why
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.limits.heat import ReadHeat, no_heat
from skyreels_tui.queue.engine.limits.watchdog import AvailableBytes, Watchdog
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import EngineLog
from skyreels_tui.queue.engine.muster import Muster
from skyreels_tui.queue.engine.parts import BUSY_LATE_S, RETRY_S, RunnerParts
from skyreels_tui.queue.engine.runner import Runner
from skyreels_tui.queue.engine.runners import Runners
from skyreels_tui.queue.engine.workforce import THIS_PROCESS, Worker, Workforce
from skyreels_tui.queue.errors import QueueError, QueueTrouble, Trouble
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.opening import PATIENCE_S
from skyreels_tui.queue.store.store import Store
from skyreels_tui.settings.hours import Hours

HangUp = Literal["finish_queue", "finish_job", "stop"]


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """Settings of the queue; plain values that the settings file fills in."""

    auto_resume: bool = False
    """Interrupted jobs go on by themselves at the start."""
    on_hang_up: HangUp = "finish_job"
    """What the engine does when its terminal goes away."""
    memory_floor_bytes: int = 0
    """A running job is stopped when less is available; 0 watches nothing."""
    available_bytes: AvailableBytes = available_bytes
    """Reads what is available; tests give their own."""
    group_by_model: bool = False
    """Prefer jobs of the task that ran last, without changing the order inside a batch."""
    heat: ReadHeat = no_heat
    """Looks at the GPU between steps."""
    rest_above_c: Callable[[], int] = lambda: 0
    """Jobs rest between steps while the GPU is hotter or slowed down; 0: never."""
    rest_wait: Callable[[float], object] = time.sleep
    """Waits so many seconds of a rest."""
    hours: Hours | None = None
    """Jobs run only then: a running one stops at its next step when they end and goes on when they begin."""
    not_before: datetime | None = None
    """No job starts before, in local time."""
    inbox: Path | None = None
    """Batches dropped into this folder are queued by the process that runs the jobs; None watches nothing."""
    inbox_poll_s: float = POLL_S
    """How often the inbox is looked at without being told of a change."""
    patience_s: float = PATIENCE_S
    """How long a change waits for other programs that write to the queue's file."""
    read_patience_s: float = PATIENCE_S
    """How long reading waits for the instant in which another program opens or closes the file."""
    retry_s: float = RETRY_S
    """Pause before a full disk or a database that cannot be written is tried again."""
    busy_late_s: float = BUSY_LATE_S
    """An inference thread with a job that reports nothing for longer is late."""


class Owner:
    """Holds the lock only while it stands for something: a take-over that fails lets it go again."""

    def __init__(
        self,
        folders: Folders,
        store: Store,
        log: EngineLog,
        live: LiveFiles,
        *,
        workforce: Workforce | None,
        options: QueueOptions,
        beats: Heartbeats,
    ) -> None:
        """Without a `workforce` this process only shows and changes the queue, and never asks for the lock."""
        self._folders, self._store, self._log, self._live = folders, store, log, live
        self._workforce, self.options, self._beats = workforce, options, beats
        self._lock = OwnerLock(folders.lock)
        self.runners: Runners | None = None
        self.inbox: Inbox | None = None
        self._watchdog: Watchdog | None = None
        self.trouble: QueueError | None = None
        """Why the last take-over failed, although the lock was free."""

    @property
    def is_owner(self) -> bool:
        """True when this process runs the jobs."""
        return self._lock.held

    @property
    def pid(self) -> int | None:
        """Process that runs the queue; None when there is none alive."""
        return self._lock.living_owner_pid()

    @property
    def runs_elsewhere(self) -> bool:
        """Whether another process runs the queue at this moment."""
        return self._lock.is_held_elsewhere()

    def take_over(self) -> bool:
        """Become owner if nobody is, and sort out what a dead owner left; True when this process is owner."""
        if self._lock.held:
            return True
        if self._workforce is None or self._store.read_only:
            return False
        try:
            if not self._lock.acquire():
                self.trouble = None
                return False
            self._store.attempts.recover(auto_resume=self.options.auto_resume)
            self._live.forget()
            sweep.sweep_work_folders(self._store, self._folders.jobs)
            sweep.sweep_downloads(self._store, self._folders)
        except QueueError as error:
            self._give_back(error)
        except OSError as error:
            self._give_back(QueueTrouble(Trouble.READ_ONLY, self._folders.lock, reason_of(error)))
        else:
            self.trouble = None
        return self._lock.held

    def _give_back(self, error: QueueError) -> None:
        self._lock.release()
        if self.trouble is None or str(self.trouble) != str(error):
            self._log.write(tr("this process cannot run the queue yet: {error}", error=error), level="warning")
        self.trouble = error

    def start_threads(
        self,
        parts: RunnerParts,
        only_job: int | None,
        queue: InboxQueue,
        wake_waiting: Callable[[], None],
        read_films: ReadFilms | None = None,
    ) -> None:
        """Start the inference threads and what watches beside them, once this process is owner."""
        if not self._lock.held or self._workforce is None or self.runners is not None:
            return
        only: Sequence[int] | None = None if only_job is None else self._store.needed_by(only_job)

        def make(worker: Worker, executor: Executor, muster: Muster) -> Runner:
            # The sensor is of this process's GPU, and a rest here would not keep another process from going on.
            heat = parts.heat if worker == THIS_PROCESS else no_heat
            time_left = partial(parts.time_left, kind=worker.kind)
            own = replace(parts, live=self._live.of(worker.name), heat=heat, time_left=time_left)
            return Runner(self._store, executor, own, only=only, beats=self._beats, worker=worker, muster=muster)

        runners = Runners(self._workforce, make, parts.state_changed)
        parts.worker_free = runners.wake
        runners.start()
        # Only now: whoever closes meanwhile waits for the start first.
        self.runners = runners
        options = self.options
        if options.memory_floor_bytes:
            self._watchdog = Watchdog(
                options.available_bytes,
                options.memory_floor_bytes,
                # Each host watches its own memory: what others compute takes none here.
                is_running=lambda: THIS_PROCESS in runners.running.values(),
                stop=lambda reason, urgent: runners.stop_job(Why.STOP, reason=reason, urgent=urgent),
                beats=self._beats,
            )
            self._watchdog.start()
        if options.inbox is not None and only_job is None:
            say = self._log.write
            self.inbox = Inbox(
                options.inbox,
                queue,
                lambda text, level: say(text, level=level),
                wake_waiting,
                poll_s=options.inbox_poll_s,
                beats=self._beats,
                read_films=read_films,
            )
            self.inbox.start()

    def end_runner(self, *, finish_job: bool) -> None:
        """End the inference thread after its job, or at its next edge; nothing more is taken from the inbox."""
        if self.inbox is not None:
            self.inbox.stop()
        if self.runners is not None:
            self.runners.close(finish_job=finish_job)

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the threads; False when the job reached no edge in time."""
        if self.runners is not None and not self.runners.join(timeout_s):
            return False
        if self._watchdog is not None:
            self._watchdog.close()
        if self.inbox is not None:
            self.inbox.join()
        return True

    def release(self) -> None:
        """Let another process become owner."""
        if self._lock.held:
            self._live.forget()
        self._lock.release()

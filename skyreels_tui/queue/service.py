"""The queue as the app and the command line see it: actions on rows, who runs them, and what goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.front.host_memory import available_bytes
from pipelines.front.language import tr
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.actions import QueueActions
from skyreels_tui.queue.batches.inbox import Inbox
from skyreels_tui.queue.engine import sweep
from skyreels_tui.queue.engine.cancel import Why
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import EngineLog, Level, LogFollower
from skyreels_tui.queue.engine.parts import RunnerParts, TimeLeft, no_estimate
from skyreels_tui.queue.engine.runner import Runner
from skyreels_tui.queue.engine.space import free_bytes
from skyreels_tui.queue.engine.watchdog import AvailableBytes, Watchdog
from skyreels_tui.queue.events import EngineMemory, Event, JobChanged, JobProgress, Publish, QueueChanged, QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.database import default_stem
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.opening import open_store

HangUp = Literal["finish_queue", "finish_job", "stop"]

_LOOK_S = 0.5
"""How often other processes' writes are looked for."""

_MANY = 16
"""More changed rows than this are one QueueChanged."""

_GOING_ON = frozenset({JobState.QUEUED, JobState.RUNNING})


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
    inbox: Path | None = None
    """Batches dropped into this folder are queued by the process that runs the jobs; None watches nothing."""


class QueueService(QueueActions):
    """Opens the queue as owner (runs jobs) or viewer (another process runs them); any thread may call it.

    `publish` is called on any thread, from `start` on, and must not block.
    """

    def __init__(
        self,
        folders: Folders,
        result_dir: Path,
        publish: Publish,
        *,
        executor: Callable[[], Executor] | None = None,
        options: QueueOptions | None = None,
        time_left: TimeLeft = no_estimate,
    ) -> None:
        """Open the store and try the lock; raises DatabaseUnusable. Starts no thread, runs nothing.

        Without an `executor` this process only shows and changes the queue, and never asks for the lock.
        """
        folders.create()
        self.folders, self.result_dir = folders, result_dir
        self.options = options or QueueOptions()
        self._listener, self._executor, self._time_left = publish, executor, time_left
        self._started = False
        self._only: int | None = None
        self._changed = threading.Condition()
        self._stop_watching = threading.Event()
        self._watch = threading.Thread(target=self._look_around, name="queue-watch", daemon=True)
        self._asked_preview = float("-inf")
        self._last_status: QueueStatus | None = None
        self._watchdog: Watchdog | None = None
        self._inbox: Inbox | None = None
        store = open_store(
            folders.database,
            changed=self._rows_changed,
            stem=self._stem,
            memory=folders.queue_memory,
            results=result_dir,
        )
        super().__init__(store, folders.jobs, result_dir)
        self._lock = OwnerLock(folders.lock)
        self._live = LiveFiles(folders.live)
        self._log = EngineLog(folders.logs, self._publish)
        self._data_version = self._store.data_version()
        self._take_over()

    # Life

    def start(self, only_job: int | None = None) -> None:
        """Start watching and, as owner, the inference thread: call after the first paint.

        With `only_job` this process runs that job and those it refers to, nothing else.
        """
        self._only = only_job
        self._started = True
        self._start_runner()
        self._watch.start()
        self._status_changed()

    def close(self, *, timeout_s: float | None = None) -> bool:
        """Stop the running job at its step edge (it goes on later), join the threads, close the store.

        Returns False when the job reached no edge within `timeout_s`; call again to go on waiting.
        """
        if self._runner is None:
            # A viewer that ends must not become the owner meanwhile.
            self._end_watch()
        if self._inbox is not None:
            self._inbox.stop()
        if self._runner is not None:
            self._runner.close()
            if not self._runner.join(timeout_s):
                return False
        if self._watchdog is not None:
            self._watchdog.close()
        self._end_watch()
        if self._inbox is not None:
            self._inbox.stop()
            self._inbox.join()
        self._started = False
        self._store.close()
        self._log.close()
        self._lock.release()
        return True

    def hang_up(self) -> None:
        """The terminal is gone: finish the queue or the job, or stop, as the options say."""
        match self.options.on_hang_up:
            case "stop":
                self._end_runner(finish_job=False)
            case "finish_job":
                self._end_runner(finish_job=True)
            case "finish_queue":
                self._log.write(tr("the terminal is gone: the engine finishes the queue"))

    def wait_ended(self) -> None:
        """After `hang_up`: block until the engine has nothing more to do, then return; `close` comes next."""
        if self._runner is not None and self.options.on_hang_up != "finish_queue":
            self._runner.join()
        elif self._runner is not None:
            self.wait_idle()

    def give_up(self) -> None:
        """Mark the running job interrupted and return at once: for a second Ctrl+C, before `os._exit`.

        The step under way is lost, the steps before it are stored.
        """
        runner = self._runner
        if runner is not None and runner.running_job is not None:
            # A busy database must not keep the person waiting: an unmarked row is sorted out at the next start.
            self._store.give_up(runner.running_job, reason=because(Code.STOPPED_AT_ONCE))

    @property
    def is_open(self) -> bool:
        """True between `start` and the end of `close`."""
        return self._started

    @property
    def is_owner(self) -> bool:
        """True when this process runs the jobs; a viewer becomes owner when the owner ends."""
        return self._lock.held

    @property
    def read_only(self) -> bool:
        """True when a newer version wrote the queue: every change raises ReadOnlyQueue."""
        return self._store.read_only

    @property
    def owner_pid(self) -> int | None:
        """Process id of the owner, for messages."""
        return self._lock.owner_pid()

    def show_window(self) -> None:
        """This process has a window; while it is the owner, viewers leave telling to it."""
        if self.is_owner:
            self._live.show_window(os.getpid())

    def hide_window(self) -> None:
        """The window has gone; the engine may go on."""
        if self._live.window_pid() == os.getpid():
            self._live.hide_window()

    @property
    def owner_has_window(self) -> bool:
        """True when the process that runs jobs has a window of its own to tell a person."""
        owner = self.owner_pid
        return owner is not None and self._live.window_pid() == owner

    # What goes on

    @property
    def running_job(self) -> int | None:
        """Id of the job that runs now, in this process or in another."""
        job = self._store.running()
        return None if job is None else job.id

    def status(self) -> QueueStatus:
        """Whether the queue runs, is paused or waits, and why."""
        runner = self._runner
        lacks = "" if runner is None else runner.lacks
        asked = self._store.control("pause")
        return QueueStatus(
            is_owner=self.is_owner,
            pause="now" if asked == "now" else "after_job" if asked else lacks,
            message="" if runner is None else runner.waiting_for,
            read_only=self.read_only,
            engine="off" if runner is None else runner.engine,
        )

    def progress(self) -> JobProgress | None:
        """The latest progress of the running job, of whatever process."""
        return self._live.read() if self._runner is None else self._runner.latest

    def engine_memory(self) -> EngineMemory | None:
        """What the engine holds, of whatever process; None when none has said or its process has ended."""
        if self._runner is not None:
            return self._runner.memory
        return self._live.read_memory() if self.owner_pid is not None else None

    def wait(self, job_id: int, timeout_s: float | None = None) -> Job:
        """Block until the job neither runs nor is queued, or time is up; returns its row."""
        self._wait_until(lambda: self.job(job_id).state not in _GOING_ON, timeout_s)
        return self.job(job_id)

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Block until nothing runs and nothing is queued; False when time is up first.

        A paused queue with queued jobs is not idle, nor is an inbox in which something arrives.
        """
        return self._wait_until(self._is_idle, timeout_s)

    def ask_preview(self) -> None:
        """Somebody looks at the preview: repeat every few seconds while that is so."""
        self._asked_preview = time.monotonic()
        if self._runner is None:
            with suppress(OSError):
                self._live.want_preview()

    # Inside

    def _is_idle(self) -> bool:
        if self._inbox is not None and not self._inbox.idle:
            return False
        return self._store.running() is None and self._store.next_queued() is None

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _publish(self, event: Event) -> None:
        if self._started:
            self._listener(event)

    def _rows_changed(self, jobs: Sequence[Job]) -> None:
        with self._changed:
            self._changed.notify_all()
        if len(jobs) > _MANY:
            self._publish(QueueChanged())
        else:
            for job in jobs:
                self._publish(JobChanged(job))

    def _status_changed(self) -> None:
        status = self.status()
        if status != self._last_status:
            self._last_status = status
            self._publish(status)

    def _stem(self, job: Job) -> str:
        """A result name that is free: another queue may have written to the same folder."""
        stem, number = default_stem(job), 1
        folder = job.results(self.result_dir) / job.task_type
        while (folder / f"{stem}.mp4").exists() or (folder / f"{stem}.json").exists():
            number += 1
            stem = f"{default_stem(job)}-{number}"
        return stem

    def _take_over(self) -> None:
        """Become owner if nobody is, and sort out what a dead owner left."""
        if self._executor is None or self.read_only or self._lock.held or not self._lock.acquire():
            return
        self._store.recover(auto_resume=self.options.auto_resume)
        self._live.forget()
        sweep.sweep_work_folders(self._store, self.folders.jobs)
        sweep.sweep_downloads(self._store, self.folders)

    def _start_runner(self) -> None:
        if not self._lock.held or self._executor is None or self._runner is not None:
            return
        parts = RunnerParts(
            jobs_dir=self.folders.jobs,
            result_dir=self.result_dir,
            publish=self._publish,
            log=self._log,
            live=self._live,
            free=free_bytes,
            time_left=self._time_left,
            wants_preview=self._wants_preview,
            group_by_model=self.options.group_by_model,
            state_changed=self._status_changed,
        )
        only = None if self._only is None else self._store.needed_by(self._only)
        runner = Runner(self._store, self._executor(), parts, only=only)
        self._runner = runner
        runner.start()
        if self.options.memory_floor_bytes:
            self._watchdog = Watchdog(
                self.options.available_bytes,
                self.options.memory_floor_bytes,
                is_running=lambda: runner.running_job is not None,
                stop=lambda reason, urgent: runner.stop_job(Why.STOP, reason=reason, urgent=urgent),
            )
            self._watchdog.start()
        if self.options.inbox is not None and self._only is None:
            self._inbox = Inbox(self.options.inbox, self, self._say, self._wake_waiting)
            self._inbox.start()

    def _say(self, text: str, level: Level) -> None:
        self._log.write(text, level=level)

    def _wake_waiting(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _end_runner(self, *, finish_job: bool) -> None:
        if self._runner is not None:
            self._log.write(
                tr("the terminal is gone: the engine stops after this job")
                if finish_job
                else tr("the terminal is gone: the engine stops")
            )
            if self._inbox is not None:
                self._inbox.stop()
            self._runner.close(finish_job=finish_job)

    def _end_watch(self) -> None:
        self._stop_watching.set()
        if self._watch.ident is not None and self._watch is not threading.current_thread():
            self._watch.join()

    def _wants_preview(self) -> bool:
        return time.monotonic() - self._asked_preview < _LOOK_S * 10 or self._live.preview_wanted()

    def _look_around(self) -> None:
        """The watching thread: others' writes, the owner's live files, the lock when it becomes free."""
        follower = LogFollower(self._log.path)
        stamp = self._live.stamp()
        while not self._stop_watching.wait(_LOOK_S):
            version = self._store.data_version()
            if version != self._data_version:
                self._data_version = version
                with self._changed:
                    self._changed.notify_all()
                self._publish(QueueChanged())
                self._wake()
            if self._runner is None:
                self._take_over()
                self._start_runner()
                for line in follower.new_lines():
                    self._publish(line)
                if self._runner is None and self._live.stamp() != stamp:
                    stamp = self._live.stamp()
                    progress = self._live.read()
                    if progress is not None:
                        self._publish(progress)
            self._status_changed()

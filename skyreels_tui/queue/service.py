"""The queue as the app and the command line see it: its rows, who runs them, and what goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from pipelines.front.language import tr
from skyreels_tui.files.folders import Folders, free_bytes
from skyreels_tui.queue.actions import QueueActions
from skyreels_tui.queue.batches.inbox import DroppedFilms
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import EngineLog
from skyreels_tui.queue.engine.parts import RunnerParts, TimeLeftEstimate, no_estimate
from skyreels_tui.queue.engine.workforce import Alone, Workforce
from skyreels_tui.queue.engine_state import EngineState
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.events import (
    EngineMemory,
    Event,
    FilmEnded,
    JobChanged,
    JobProgress,
    Publish,
    QueueChanged,
    QueueStatus,
)
from skyreels_tui.queue.film import Film, SceneLack
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.owner import HangUp, Owner, QueueOptions
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.result_names import free_stem
from skyreels_tui.queue.watch import QueueWatch

__all__ = ["HangUp", "QueueOptions", "QueueService"]

_LOOKED_AT_S = 5.0
"""Who has asked for the preview looks at it for so long."""

_MANY = 16
"""More changed rows than this are one QueueChanged."""

_GOING_ON = frozenset({JobState.QUEUED, JobState.RUNNING})


class Companion(Protocol):
    """A thread that works beside the runner, in the process that runs the jobs."""

    @property
    def idle(self) -> bool:
        """True when there is nothing for it to do."""
        ...

    def start(self) -> None:
        """Start working."""
        ...

    def stop(self) -> None:
        """Take up nothing more; returns at once."""
        ...

    def join(self) -> None:
        """Wait for its end."""
        ...


FilmsIn = Callable[["QueueService", Path, Path, bool], DroppedFilms | None]
"""As `ReadFilms` of the inbox, for this queue."""


class QueueService:
    """Opens the queue as owner (runs jobs) or viewer (another process runs them); any thread may call it.

    `actions` changes it.
    `publish` is called on any thread, from `start` on, and must not block.
    """

    def __init__(
        self,
        folders: Folders,
        result_dir: Path,
        publish: Publish,
        *,
        executor: Callable[[], Executor] | Workforce | None = None,
        options: QueueOptions | None = None,
        time_left: TimeLeftEstimate = no_estimate,
        has_model: Callable[[Job], bool] = lambda _: True,
        clock: Callable[[], datetime] = datetime.now,
        companion: Callable[[QueueService], Companion] | None = None,
        films_in: FilmsIn | None = None,
    ) -> None:
        """Open the store and try the lock; raises DatabaseUnusable or QueueTrouble. Starts no thread, runs nothing.

        `executor` makes what runs jobs in this process, or is the workforce that does. Without one this process only
        shows and changes the queue, and never asks for the lock; then a queue that cannot be written is opened to be
        read. `companion` makes a thread that works beside the runners, `films_in` reads what is
        dropped into the inbox and is no batch of jobs.
        """
        folders.create()
        self.folders, self.result_dir = folders, result_dir
        self._listener, self._time_left, self._clock = publish, time_left, clock
        self._has_model = has_model
        self._started = False
        self._only: int | None = None
        self._changed = threading.Condition()
        self._asked_preview = float("-inf")
        self._last_status: QueueStatus | None = None
        self._telling = threading.RLock()
        self._planned: tuple[int, list[Job]] | None = None
        self._lacking: tuple[int, list[SceneLack]] | None = None
        self._make_companion = companion
        self._films_in = films_in
        self._companion: Companion | None = None
        self.beats = Heartbeats()
        """Of the threads of this process."""
        options = options or QueueOptions()
        self._store = open_store(
            folders.database,
            changed=self._rows_changed,
            stem=partial(free_stem, result_dir),
            clock=clock,
            patience_s=options.patience_s,
            read_patience_s=options.read_patience_s,
            memory=folders.queue_memory,
            results=result_dir,
            or_read=executor is None,
        )
        self._live = LiveFiles(folders.live)
        self._log = EngineLog(folders.logs, self._publish, clock)
        self._owner = Owner(
            folders,
            self._store,
            self._log,
            self._live,
            workforce=Alone(executor) if callable(executor) else executor,
            options=options,
            beats=self.beats,
        )
        self.actions = QueueActions(
            self._store,
            folders.jobs,
            result_dir,
            runners=lambda: self._owner.runners,
            status_changed=self._status_changed,
        )
        """What a person does to jobs and to the queue as a whole."""
        self._engine = EngineState(self._store, self._owner, self._live)
        self._watch = QueueWatch(
            self._store,
            self._owner,
            self._live,
            self._log,
            self.beats,
            publish=self._publish,
            written=self._others_wrote,
            take_over=self._take_over,
            looked=self._status_changed,
        )
        self._owner.take_over()

    # Reading

    def jobs(self, *, include_finished: bool = True, limit: int | None = None) -> list[Job]:
        """The running job, the waiting ones in order, then finished ones, newest first; none deleted."""
        return self._store.list(include_finished=include_finished, limit=limit)

    def plannable(self) -> list[Job]:
        """Unfinished jobs, with the outputs of other jobs in place of references: what they cost can be planned.

        Listed again only after a change, because the monitor asks every second.
        """
        revision = self._store.revision()
        if self._planned is None or self._planned[0] != revision:
            jobs = self.jobs(include_finished=False)
            resolved = [self._store.resolved(job) if "{{" in job.request_json else job for job in jobs]
            self._planned = revision, resolved
        return self._planned[1]

    def job(self, job_id: int) -> Job:
        """One row, also a deleted one; raises NoSuchJob."""
        return self._store.get(job_id)

    def batch(self, name: str) -> list[Job]:
        """The jobs of a batch in the order they were added."""
        return self._store.batch(name)

    def batches(self) -> list[str]:
        """Names of the batches that have a job, newest first."""
        return self._store.batches()

    def films(self) -> list[Film]:
        """Every film that has a scene, newest first."""
        return self._store.films.list()

    def scene_counts(self) -> dict[str, int]:
        """Name of each film -> how many scenes it has."""
        return self._store.films.scene_counts()

    def film(self, name: str) -> Film:
        """One film; raises NoSuchFilm."""
        return self._store.films.get(name)

    def lacking(self) -> list[SceneLack]:
        """What is to be made for scenes now; listed again only after a change."""
        revision = self._store.revision()
        if self._lacking is None or self._lacking[0] != revision:
            self._lacking = revision, self._store.films.lacking()
        return self._lacking[1]

    # Life

    def start(self, only_job: int | None = None) -> None:
        """Start watching and, as owner, the inference thread: call after the first paint.

        With `only_job` this process runs that job and those it refers to, nothing else.
        """
        self._only = only_job
        self._started = True
        self._start_threads()
        self._watch.start()
        self._status_changed()

    def close(self, *, timeout_s: float | None = None) -> bool:
        """Stop the running job at its step edge (it goes on later), join the threads, close the store.

        Returns False when the job reached no edge within `timeout_s`; call again to go on waiting.
        """
        if self._owner.runners is None:
            # A viewer that ends must not become the owner meanwhile.
            self._watch.end()
        self._owner.end_runner(finish_job=False)
        if self._companion is not None:
            self._companion.stop()
        if not self._owner.join(timeout_s):
            return False
        if self._companion is not None:
            self._companion.join()
        self._watch.end()
        self._started = False
        with suppress(QueueError):
            self._store.close()
        self._log.close()
        self._owner.release()
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
        if self._owner.runners is not None and self.options.on_hang_up != "finish_queue":
            self._owner.runners.join()
        elif self._owner.runners is not None:
            self.wait_idle()

    def give_up(self) -> None:
        """Mark the running job interrupted and return at once: for a second Ctrl+C, before `os._exit`.

        The step under way is lost, the steps before it are stored.
        """
        if self._owner.runners is not None:
            for job_id in self._owner.runners.running:
                # A busy database must not keep the person waiting: an unmarked row is sorted out at the next start.
                self._store.attempts.give_up(job_id, reason=because(Code.STOPPED_AT_ONCE))

    @property
    def is_open(self) -> bool:
        """True between `start` and the end of `close`."""
        return self._started

    @property
    def is_owner(self) -> bool:
        """True when this process runs the jobs; a viewer becomes owner when the owner ends."""
        return self._owner.is_owner

    @property
    def trouble(self) -> QueueError | None:
        """Why this process could not become owner although nobody is; tried again while it is started."""
        return self._owner.trouble

    @property
    def options(self) -> QueueOptions:
        """How this process runs the queue."""
        return self._owner.options

    @options.setter
    def options(self, options: QueueOptions) -> None:
        self._owner.options = options

    @property
    def read_only(self) -> bool:
        """True when every change is refused: a newer version wrote the queue, or its place cannot be written."""
        return self._store.read_only

    @property
    def owner_pid(self) -> int | None:
        """Process that runs the queue; None when there is none alive."""
        return self._owner.pid

    @property
    def has_owner(self) -> bool:
        """Whether another process runs the queue, by its lock."""
        return self._owner.runs_elsewhere

    def show_window(self) -> None:
        """This process has a window; while it is the owner, viewers leave telling to it."""
        if self.is_owner and not self.owner_has_window:
            self._live.show_window(os.getpid())
            if self._started:
                self._status_changed()

    def hide_window(self) -> None:
        """The window has gone; the engine may go on."""
        if self._live.window_pid() == os.getpid():
            self._live.hide_window()
            self._status_changed()

    @property
    def owner_has_window(self) -> bool:
        """True when the process that runs jobs has a window of its own to tell a person."""
        return self._engine.has_window

    # What goes on

    def log(self, text: str) -> None:
        """Write a line that belongs to no job to the log."""
        self._log.write(text)

    @property
    def running_jobs(self) -> list[int]:
        """Ids of the jobs that run now, in this process or in another, in queue order."""
        return [job.id for job in self._store.running()]

    def status(self) -> QueueStatus:
        """Whether the queue runs, is paused or waits, and why."""
        return self._engine.status()

    def crew(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of each worker of whoever runs the queue; () where nobody does."""
        return self._engine.crew()

    def progress(self) -> JobProgress | None:
        """The latest progress of the first running job, of whatever process."""
        return next(iter(self.all_progress()), None)

    def all_progress(self) -> list[JobProgress]:
        """The latest progress of each running job, of whatever process."""
        return self._engine.progress()

    def engine_memory(self) -> EngineMemory | None:
        """What the engine holds, of whatever process; None when none has said or its process has ended."""
        return self._engine.memory()

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
        if self._owner.runners is None:
            self._live.want_preview()

    # Inside

    def _is_idle(self) -> bool:
        if self._owner.inbox is not None and not self._owner.inbox.idle:
            return False
        if self._companion is not None and not self._companion.idle:
            return False
        # A job that is claimed between the two looks is seen by neither: then something has changed meanwhile.
        revision = self._store.revision()
        if self._store.running() or self._store.next_queued() is not None:
            return False
        return self._store.revision() == revision

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
        if not jobs or len(jobs) > _MANY:
            # Without a job a film has changed.
            self._publish(QueueChanged())
        else:
            for job in jobs:
                self._publish(JobChanged(job))
        self._tell_of_films(jobs)

    def _tell_of_films(self, jobs: Sequence[Job]) -> None:
        """Say once, after its last take has run, that a film is done or stands still."""
        ran = dict.fromkeys(job.batch for job in jobs if job.batch and job.attempts and job.state in FINISHED)
        if not self._started or not self.is_owner:
            return
        for name in ran:
            # The row itself is written: what cannot be read now is only not told.
            with suppress(QueueError):
                film = self._store.films.get(name)
                if len(film.scenes) > 1 and not film.goes_on:
                    self._publish(FilmEnded(film))

    def _status_changed(self) -> None:
        # One thread at a time: else an older status could be told after a newer one, and would stand.
        with self._telling:
            status = self.status()
            if status != self._last_status:
                self._last_status = status
                if self._owner.runners is not None:
                    self._live.write_status(status)
                self._publish(status)

    def _start_threads(self) -> None:
        if not self._owner.is_owner or self._owner.runners is not None:
            return
        parts = RunnerParts(
            jobs_dir=self.folders.jobs,
            result_dir=self.result_dir,
            publish=self._publish,
            log=self._log,
            live=self._live,
            free=free_bytes,
            time_left=self._time_left,
            has_model=self._has_model,
            wants_preview=self._wants_preview,
            begins=self._begins,
            heat=self.options.heat,
            rest_above_c=self.options.rest_above_c,
            wait=self.options.rest_wait,
            retry_s=self.options.retry_s,
            busy_late_s=self.options.busy_late_s,
            group_by_model=self.options.group_by_model,
            state_changed=self._status_changed,
        )
        films_in = self._films_in
        read_films = None if films_in is None else lambda *file: films_in(self, *file)
        self._owner.start_threads(parts, self._only, self, self._wake_waiting, read_films)
        if self._make_companion is not None:
            self._companion = self._make_companion(self)
            self._companion.start()

    def _begins(self) -> datetime | None:
        options, now = self.options, self._clock()
        if self._only is not None:
            # One job that a person waits for is wanted now.
            return None
        begins = max(now, options.not_before or now)
        if options.hours is not None:
            begins = options.hours.next_start(begins)
        return begins if begins > now else None

    def _wake_waiting(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _end_runner(self, *, finish_job: bool) -> None:
        if self._owner.runners is not None:
            self._log.write(
                tr("the terminal is gone: the engine stops after this job")
                if finish_job
                else tr("the terminal is gone: the engine stops")
            )
            self._owner.end_runner(finish_job=finish_job)

    def _wants_preview(self) -> bool:
        return time.monotonic() - self._asked_preview < _LOOKED_AT_S or self._live.preview_wanted()

    def _others_wrote(self) -> None:
        self._wake_waiting()
        self._publish(QueueChanged())
        if self._owner.runners is not None:
            self._owner.runners.wake()

    def _take_over(self) -> None:
        self._owner.take_over()
        self._start_threads()

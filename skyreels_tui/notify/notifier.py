"""Listens to the queue's events and tells a person through terminal, hook and webhook; any thread may feed it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipelines.front.language import tr
from skyreels_tui.notify import terminal as codes
from skyreels_tui.notify.messenger import Messenger, Targets
from skyreels_tui.notify.notice import Notice, notice_for, notice_of_film, percent_done
from skyreels_tui.notify.terminal import Terminal
from skyreels_tui.queue.events import Event, FilmEnded, JobChanged, JobProgress, QueueStatus
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.words.times import duration

TITLE = "skyreels-tui"
TITLE_EVERY_S = 5.0
"""Titles are drawn by window managers and tmux: often enough for a glance, no flicker."""


@dataclass(frozen=True, slots=True)
class NotifyOptions:
    """What a person wants to hear; every way can be switched off on its own."""

    bell: bool = True
    desktop: bool = True
    title: bool = True
    progress: bool = True
    """On the terminal's tab or task bar entry."""
    hook: str = ""
    webhook: str = ""


def _nowhere(_: str) -> None:
    """A terminal that nobody looks at."""


class Notifier:
    """Turns events into control sequences for `write` and notices for the messenger.

    `options` is asked at every event. `sends` says whether hook and webhook are this process's business:
    of several processes on one queue only the owner's. `tells` says the same of bell and desktop notification;
    title and tab belong to every window. `write` may be called on any thread.
    """

    def __init__(
        self,
        options: Callable[[], NotifyOptions],
        write: Callable[[str], None] = _nowhere,
        terminal: Terminal | None = None,
        sends: Callable[[], bool] = lambda: True,
        tells: Callable[[], bool] = lambda: True,
        messenger: Messenger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._write, self._clock = options, write, clock
        self._sends, self._tells = sends, tells
        self._terminal = terminal or Terminal()
        self._messenger = messenger or Messenger(lambda: Targets(options().hook, options().webhook))
        self._lock = threading.Lock()
        self._states: dict[int, JobState] = {}
        self._labels: dict[int, str] = {}
        self._paused: str = ""
        self._titled_at: float | None = None
        self._percent: int | None = None

    def start(self, jobs: Iterable[Job] = (), terminal: Terminal | None = None) -> None:
        """Start the messenger; `jobs` are the rows that are known already, so no news."""
        if terminal is not None:
            self._terminal = terminal
        for job in jobs:
            self._states[job.id], self._labels[job.id] = job.state, job.label
        if self._options().title:
            self._write(codes.SAVE_TITLE)
        self._messenger.start()

    def leave_terminal(self) -> None:
        """Give the terminal its title back and write no more; hook and webhook go on."""
        with self._lock:
            self._clear()
            if self._options().title:
                self._write(codes.RESTORE_TITLE)
            self._write = _nowhere

    def stop(self) -> None:
        """Let the messenger finish what it has."""
        self._messenger.stop()

    def take(self, event: Event) -> None:
        """Take an event; returns at once."""
        with self._lock:
            match event:
                case JobChanged(job):
                    self._job_changed(job)
                case JobProgress():
                    self._progressed(event)
                case QueueStatus():
                    self._status(event)
                case FilmEnded(film):
                    self._tell(notice_of_film(film))

    def _job_changed(self, job: Job) -> None:
        before = self._states.get(job.id)
        self._states[job.id], self._labels[job.id] = job.state, job.label
        if before is JobState.RUNNING and job.state is not JobState.RUNNING:
            self._clear()
        notice = notice_for(before, job)
        if notice is not None:
            self._tell(notice)
        if job.state in FINISHED:
            self._labels.pop(job.id, None)

    def _status(self, status: QueueStatus) -> None:
        lack = {"disk": tr("the queue waits for disk space"), "memory": tr("the queue waits for memory")}
        if status.pause in lack and status.pause != self._paused:
            self._tell(Notice("attention", lack[status.pause], status.message))
        self._paused = status.pause

    def _tell(self, notice: Notice) -> None:
        options = self._options()
        sequence = codes.popup(self._terminal, notice.title, notice.text) if options.desktop else ""
        if options.bell:
            sequence += codes.BEL
        if sequence and self._tells():
            self._write(sequence)
        if self._sends() and (options.hook or options.webhook):
            self._messenger.send(notice)

    def _progressed(self, event: JobProgress) -> None:
        options, now = self._options(), self._clock()
        percent = percent_done(event.elapsed_s, event.left_s)
        if options.progress and percent is not None and percent != self._percent:
            self._write(codes.progress(self._terminal, percent))
            self._percent = percent
        due = self._titled_at is None or now - self._titled_at >= TITLE_EVERY_S
        if options.title and due:
            self._titled_at = now
            label = self._labels.get(event.job_id, tr("job {id}", id=event.job_id))
            words = (
                tr(event.progress.stage)
                if percent is None
                else tr("{percent}%, {time} left", percent=percent, time=duration(event.left_s))
            )
            self._write(codes.title(f"{words} {label} - {TITLE}"))

    def _clear(self) -> None:
        """Nothing runs: take the share off the tab and the job out of the title."""
        if self._percent is not None:
            self._write(codes.progress(self._terminal, None))
        if self._titled_at is not None and self._options().title:
            self._write(codes.title(TITLE))
        self._percent = self._titled_at = None

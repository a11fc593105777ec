"""Follows another process's queue without ever writing to it: rows, progress, preview and log by polling."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from skyreels_tui.files.boot_clock import BootTime, boot_time
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import LOG_NAME
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.events import EngineMemory, Event, JobChanged, JobProgress, Publish, QueueChanged, QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.store.listing import without_owner
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.reader import RowReader
from skyreels_tui.queue.watching.reports import Reports, watched_status

log = logging.getLogger(__name__)

INTERVAL_S = 0.5


class Follower:
    """Publishes what changes, on its own daemon thread from `start` to `stop`."""

    def __init__(
        self,
        folders: Folders,
        publish: Publish,
        interval_s: float = INTERVAL_S,
        now: Callable[[], BootTime] = boot_time,
    ) -> None:
        self._folders, self._publish, self._interval_s = folders, publish, interval_s
        self._live, self._lock = LiveFiles(folders.live, now), OwnerLock(folders.lock)
        self._rows = RowReader(folders.database)
        self._jobs: tuple[Job, ...] = ()
        self._progress: dict[int, JobProgress] = {}
        self._status: QueueStatus | None = None
        self._reports = Reports(self._live, folders.logs / LOG_NAME, self._hear, catch_up=True)
        self._troubled = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The rows at the last poll, deleted ones left out, in queue order; any thread may ask."""
        return self._jobs

    @property
    def scene_counts(self) -> dict[str, int]:
        """Name of each film -> how many scenes it has, at the last poll."""
        return self._rows.scene_counts

    @property
    def progress(self) -> JobProgress | None:
        """The newest report of the first running job; None while nothing runs."""
        return next(iter(self.all_progress), None)

    @property
    def all_progress(self) -> tuple[JobProgress, ...]:
        """The newest report of every running job, in queue order."""
        running = (job.id for job in self._jobs if job.state is JobState.RUNNING)
        return tuple(self._progress[job_id] for job_id in running if job_id in self._progress)

    @property
    def crew(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of each worker of the process that runs jobs, as of the last poll."""
        return () if self._status is None else self._status.crew

    def owner_pid(self) -> int | None:
        """Process that runs jobs; None when there is none alive."""
        return self._lock.living_owner_pid()

    def engine_memory(self) -> EngineMemory | None:
        """What the engine of that process holds; None while nobody runs jobs."""
        return self._live.read_memory() if self.owner_pid() is not None else None

    def want_preview(self) -> None:
        """Ask the owner to make previews for the next seconds."""
        self._live.want_preview()

    def start(self) -> None:
        """Poll once, so that the first paint has content, then start the thread."""
        self.poll()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def poll(self) -> None:
        """Look once, and publish what has changed since the last time; what cannot be read is looked at again."""
        try:
            self._poll_rows()
            self._poll_status()
            self._reports.look()
        except (QueueError, OSError) as error:
            if not self._troubled:
                log.warning("following the queue: %s", error)
            self._troubled = True
        else:
            self._troubled = False

    def _hear(self, event: Event) -> None:
        if isinstance(event, JobProgress):
            self._progress[event.job_id] = event
        self._publish(event)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.poll()
        self._rows.close()

    def _poll_status(self) -> None:
        status = watched_status(self._live, self.owner_pid())
        if status != self._status:
            self._status = status
            self._publish(status)

    def _poll_rows(self) -> None:
        owner = self.owner_pid()
        try:
            found = self._rows.rows(owner)
        except QueueError:
            # The owner is migrating, or puts a backup in place: look again later.
            return
        if found is None:
            return
        jobs = found if owner is not None else tuple(map(without_owner, found))
        before = {job.id: job for job in self._jobs}
        self._jobs = jobs
        running = {job.id for job in jobs if job.state is JobState.RUNNING}
        self._progress = {job_id: event for job_id, event in self._progress.items() if job_id in running}
        if [job.id for job in jobs] != list(before):
            self._publish(QueueChanged())
        for job in jobs:
            if before.get(job.id) != job:
                self._publish(JobChanged(job))

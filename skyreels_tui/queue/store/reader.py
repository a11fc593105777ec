"""Another process's queue as rows, read without ever opening it for work; a file put in its place is noticed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.connection import our_errors, reading_address
from skyreels_tui.queue.store.listing import count_scenes
from skyreels_tui.queue.store.rows import COLUMNS, job_from_row

_BUSY_S = 0.2


class RowReader:
    """Made by one thread, used by another; one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: tuple[int, object] | None = None
        self.scene_counts: dict[str, int] = {}
        """Film -> its scenes, as of the last rows."""

    def rows(self, also: object = None) -> tuple[Job, ...] | None:
        """The rows in queue order, deleted ones left out; None while nothing has changed, `also` included.

        Raises QueueTrouble while the owner migrates, or puts a backup in place: look again later.
        """
        try:
            status = self._path.stat()
        except OSError:
            self.close()
            return ()
        with our_errors(self._path):
            try:
                return self._read((status.st_dev, status.st_ino), also)
            except sqlite3.Error:
                self.close()
                raise

    def _read(self, file: tuple[int, int], also: object) -> tuple[Job, ...] | None:
        if self._connection is None or self._file != file:
            self.close()
            address = reading_address(self._path)
            self._connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, check_same_thread=False)
            self._file = file
        version = (self._connection.execute("PRAGMA data_version").fetchone()[0], also)
        if version == self._version:
            return None
        select = f"SELECT {COLUMNS} FROM jobs WHERE deleted = 0 ORDER BY position, id"
        jobs = tuple(job_from_row(row) for row in self._connection.execute(select).fetchall())
        self.scene_counts = count_scenes(self._connection)
        self._version = version
        return jobs

    def close(self) -> None:
        """Let go of the file; the next look opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = self._version = None

"""The queue's file as two connections: one that writes, one that reads and never waits for the other; knows no jobs.

Every error of SQLite leaves here as `QueueTrouble`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skyreels_tui.queue.errors import QueueError, QueueTrouble, Trouble

_TROUBLES = {
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_PROTOCOL: Trouble.BUSY,
    sqlite3.SQLITE_SCHEMA: Trouble.BUSY,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: Trouble.READ_ONLY,
    sqlite3.SQLITE_AUTH: Trouble.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
    sqlite3.SQLITE_IOERR: Trouble.BROKEN,
    sqlite3.SQLITE_NOLFS: Trouble.BROKEN,
    sqlite3.SQLITE_INTERNAL: Trouble.BROKEN,
    sqlite3.SQLITE_ABORT: Trouble.BROKEN,
    sqlite3.SQLITE_NOMEM: Trouble.BROKEN,
    sqlite3.SQLITE_INTERRUPT: Trouble.BROKEN,
}


def reading_address(path: Path) -> str:
    """Return the address under which SQLite reads a queue, also in a folder where nothing can be written.

    Whoever has it open keeps two files beside it. SQLite makes them to read as well; where it cannot and nobody else
    has, nobody writes.
    """
    beside = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    nobody_writes = not os.access(path.parent, os.W_OK, effective_ids=True) and not any(one.exists() for one in beside)
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if nobody_writes else ''}"


@contextmanager
def our_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the file into an error of ours; a mistake in our own SQL stays one."""
    try:
        yield
    except sqlite3.ProgrammingError as error:
        if "closed" not in str(error):
            raise
        raise QueueTrouble(Trouble.CLOSED, path, str(error)) from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        trouble = None if code is None else _TROUBLES.get(code & 0xFF)
        if trouble is None:
            raise
        raise QueueTrouble(trouble, path, str(error)) from error


class Connection:
    """Any thread may call any method."""

    def __init__(
        self,
        path: Path,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        *,
        patience_s: float,
        refusal: Callable[[], QueueError] | None = None,
    ) -> None:
        """Take over open connections; a change waits at most `patience_s` for other writers.

        `refusal` makes what every change raises where the file can only be read.
        """
        self.path, self._refusal = path, refusal
        self._writer, self._reader, self._patience_s = writer, reader, patience_s
        self._writing, self._reading = threading.RLock(), threading.Lock()
        self._writing_thread: int | None = None
        self._foreign = 0

    @property
    def read_only(self) -> bool:
        """True when every change is refused."""
        return self._refusal is not None

    def close(self) -> None:
        """Close both; what is asked afterwards is told so."""
        with self._writing, self._reading, our_errors(self.path):
            self._reader.close()
            self._writer.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Rows as last committed: never waits for a change under way, of whatever thread or process."""
        with self._reading, our_errors(self.path):
            yield self._reader

    @contextmanager
    def writing(self, patience_s: float | None = None) -> Iterator[sqlite3.Connection]:
        """One durable transaction: committed and fsynced at the end of the block, else rolled back."""
        if self._refusal is not None:
            raise self._refusal()
        patience = self._patience_s if patience_s is None else patience_s
        if not self._writing.acquire(timeout=patience):
            raise QueueTrouble(Trouble.BUSY, self.path, "locked by another thread")
        outer, self._writing_thread = self._writing_thread, threading.get_ident()
        try:
            with our_errors(self.path):
                if outer is None and self._writer.in_transaction:
                    # The one before could be neither committed nor rolled back.
                    self._writer.execute("ROLLBACK")
                self._writer.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    # After some errors SQLite has rolled back already, after others it cannot: the first one counts.
                    with suppress(sqlite3.Error):
                        if self._writer.in_transaction:
                            self._writer.execute("ROLLBACK")
                    raise
        finally:
            self._writing_thread = outer
            self._writing.release()

    def is_mine(self) -> bool:
        """True when this very thread is inside `writing`: a signal's handler may have interrupted it there."""
        return self._writing_thread == threading.get_ident()

    def foreign_version(self) -> int:
        """A number that changes when another process has written; the last one known while this one writes."""
        if self._writing.acquire(blocking=False):
            try:
                with our_errors(self.path):
                    self._foreign = int(self._writer.execute("PRAGMA data_version").fetchone()[0])
            finally:
                self._writing.release()
        return self._foreign

    def revision(self) -> int:
        """Changes with every write, of this process or another: what was listed at the same revision is still true."""
        with self.reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

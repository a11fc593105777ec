"""Copies of the queue beside it: whose they are, which is newest, how many stay.

Only what a copy contains decides: names and clocks have been wrong before.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, new_private_file, put_in_place, write_whole
from pipelines.front.errors import DiskFull
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.migrations import APPLICATION_ID

KEPT = 7
"""Copies of one queue; those of another queue are never counted and never removed."""
MOST_IDS = 10**9
"""No queue counts further: a larger number is damage."""
MEMORY_BYTES = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a queue says of itself."""

    queue: str = ""
    """Random name, given once; '' for a queue of a version that gave none."""
    copies: int = 0
    """How often it was copied: a copy that says more is newer."""
    last_id: int = 0
    """The highest number that a job ever had."""
    work: int = 0
    """Attempts and ended jobs: tells copies apart that do not count."""

    @property
    def age(self) -> tuple[int, int, int]:
        """Greater is newer, among copies of one queue."""
        return self.copies, self.last_id, self.work


def identity_of(connection: sqlite3.Connection) -> Identity:
    """Read what a sound queue says of itself."""
    control = dict(connection.execute("SELECT key, value FROM control WHERE key IN ('queue', 'copies')").fetchall())
    last = connection.execute("SELECT MAX(seq) FROM sqlite_sequence WHERE name = 'jobs'").fetchone()[0]
    work = connection.execute("SELECT SUM(attempts) + SUM(finished_at != '') FROM jobs").fetchone()[0]
    return Identity(str(control.get("queue", "")), _number(control.get("copies")), _number(last), _number(work))


def write_identity(connection: sqlite3.Connection, queue: str, copies: int, last_id: int = 0) -> None:
    """Write name and count, and never give a number up to `last_id` to a job again."""
    connection.executemany("INSERT OR REPLACE INTO control VALUES (?, ?)", [("queue", queue), ("copies", str(copies))])
    if not connection.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'jobs'").fetchone():
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', 0)")
    connection.execute("UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = 'jobs'", (last_id,))


def identity_in(path: Path, *, whole: bool = False) -> Identity | None:
    """Identity of a queue's file, None for what is none; `whole` looks through all of it for damage."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return None
            if whole and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                return None
            return identity_of(connection)
    except (OSError, sqlite3.Error):
        return None


def folder_of(path: Path) -> Path:
    """Where the copies of the queue at `path` lie."""
    return path.parent / "backups"


def copies_of(path: Path) -> list[Path]:
    """Every file that is named like a copy, sound or not."""
    return list(folder_of(path).glob(f"{path.stem}-*.db"))


def good_copies(path: Path, queue: str = "") -> tuple[Path, ...]:
    """Sound copies, newest first; those of `queue` come before those of any other."""
    found = [(identity, one) for one in copies_of(path) if (identity := identity_in(one, whole=True)) is not None]
    found.sort(key=lambda pair: (pair[0].queue == queue, pair[0].queue != "", pair[0].age, pair[1].name), reverse=True)
    return tuple(one for _, one in found)


@contextlib.contextmanager
def copying(path: Path) -> Iterator[None]:
    """Be the only program that copies the queue at `path`. Raises BlockingIOError while another does, and OSError."""
    make_folder(folder_of(path))
    lock = OwnerLock(folder_of(path) / "copying.lock")
    if not lock.acquire():
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(lock.path))
    try:
        yield
    finally:
        lock.release()


def copy_queue(connection: sqlite3.Connection, path: Path, *, reason: str, today: date) -> Path:
    """Copy the queue with SQLite's backup function and remove the oldest copies of this queue above KEPT.

    Inside `copying`: two at once would write the same file. Raises OSError or sqlite3.Error; then nothing has changed.
    """
    if (before := _copied_on(connection)) > today.isoformat():
        _log.warning("the clock ran backwards: the queue was copied on %s, and today is %s", before, today)
    identity = identity_of(connection)
    number = identity.copies + 1
    folder = folder_of(path)
    # Number and day are for people who look; nothing reads them.
    target = _free(folder / f"{path.stem}-{number:06d}-{today:%Y%m%d}-{reason}.db")
    temporary = target.with_suffix(".part")
    new_private_file(temporary)
    with contextlib.closing(sqlite3.connect(temporary)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        _say_copied(copy, number, today)
        copy.commit()
    put_in_place(temporary, target)
    _say_copied(connection, number, today)
    _remove_oldest(path, identity.queue)
    return target


def is_due(connection: sqlite3.Connection, path: Path, today: date) -> bool:
    """Whether the queue has not been copied today, or no copy is left."""
    return _copied_on(connection) != today.isoformat() or not copies_of(path)


def remembered(memory: Path | None) -> Identity | None:
    """What the memory that is kept apart from the queue says of it; None without one."""
    if memory is None:
        return None
    try:
        if not stat.S_ISREG(memory.stat().st_mode):
            return None
        with memory.open("rb") as file:
            content = read_json(file.read(MEMORY_BYTES))
        known = {name: content[name] for name in ("copies", "last_id", "work")}
        return Identity(str(content["queue"]), **{name: _number(value) for name, value in known.items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(memory: Path | None, identity: Identity) -> None:
    """Keep what the queue says of itself where it outlives the queue's folder."""
    if memory is not None:
        try:
            write_whole(memory, json.dumps(asdict(identity)).encode())
        except (OSError, DiskFull) as error:
            _log.warning("%s cannot be written: %s", memory, error)


def _copied_on(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM control WHERE key = 'copied_on'").fetchone()
    return str(row[0]) if row is not None else ""


def _say_copied(connection: sqlite3.Connection, number: int, today: date) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO control VALUES (?, ?)",
        [("copies", str(number)), ("copied_on", today.isoformat())],
    )


def _remove_oldest(path: Path, queue: str) -> None:
    found = [(identity, one) for one in copies_of(path) if (identity := identity_in(one)) is not None]
    own = sorted((pair for pair in found if pair[0].queue == queue), key=lambda pair: (pair[0].age, pair[1].name))
    for _, old in own[:-KEPT]:
        old.unlink()


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists() or free.is_symlink():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _number(value: object) -> int:
    """A count as it was stored, 0 for what is none."""
    try:
        number = int(str(value))
    except ValueError:
        return 0
    return number if 0 <= number <= MOST_IDS else 0

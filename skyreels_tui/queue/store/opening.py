"""Opening the queue's file: check, back up, migrate; never overwrite a file that cannot be read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pipelines.front.durable import make_folder, new_private_file, put_in_place, sync, write_whole
from pipelines.front.language import tr
from skyreels_tui.queue.errors import DatabaseUnusable
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.database import Changed, default_stem, ignore_changes
from skyreels_tui.queue.store.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate, schema_version
from skyreels_tui.queue.store.store import Store

_KEPT_BACKUPS = 7
_BUSY_S = 10.0


def open_store(path: Path, *, changed: Changed = ignore_changes, stem: Callable[[Job], str] = default_stem) -> Store:
    """Open or create the queue.

    A newer schema is opened read-only; an older one is migrated after a backup; one backup a day is made.
    Raises DatabaseUnusable for a damaged or foreign file, which stays as it is.
    """
    fresh = not path.exists() or path.stat().st_size == 0
    connection = _connect(path, read_only=False)
    try:
        version = 0 if fresh else _verified_version(connection, path)
        if version > SCHEMA_VERSION:
            connection.close()
            connection = _connect(path, read_only=True)
            return Store(connection, read_only=True, changed=changed, stem=stem)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if not fresh:
            back_up(connection, path, reason="daily" if version == SCHEMA_VERSION else f"before-v{SCHEMA_VERSION}")
        if version < SCHEMA_VERSION:
            migrate(connection)
            sync(path.parent)
    except sqlite3.DatabaseError as error:
        connection.close()
        if _is_damage(error):
            raise _unusable(path, "corrupt", str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return Store(connection, changed=changed, stem=stem)


def restore(error: DatabaseUnusable, backup: Path) -> Path:
    """Put `backup` in the bad file's place; returns where the bad file is kept."""
    kept = _set_aside(error)
    write_whole(error.path, backup.read_bytes())
    return kept


def start_new(error: DatabaseUnusable) -> Path:
    """Make room for an empty queue; returns where the bad file is kept."""
    return _set_aside(error)


def backups(path: Path) -> tuple[Path, ...]:
    """Good copies of the queue, newest first."""
    found = sorted(_backup_folder(path).glob(f"{path.stem}-*.db"), reverse=True)
    return tuple(one for one in found if _is_good(one))


def back_up(connection: sqlite3.Connection, path: Path, *, reason: str) -> Path | None:
    """Copy the queue with SQLite's backup function; 'daily' does so once a day, any other reason always."""
    folder = _backup_folder(path)
    make_folder(folder)
    now = datetime.now(UTC)
    if reason == "daily" and any(folder.glob(f"{path.stem}-{now:%Y%m%d}-*.db")):
        return None
    target = folder / f"{path.stem}-{now:%Y%m%d-%H%M%S-%f}-{reason}.db"
    temporary = target.with_suffix(".part")
    new_private_file(temporary)
    with contextlib.closing(sqlite3.connect(temporary)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    put_in_place(temporary, target)
    for old in sorted(folder.glob(f"{path.stem}-*.db"))[:-_KEPT_BACKUPS]:
        old.unlink()
    return target


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        # The queue holds prompts and paths: nobody else reads it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _verified_version(connection: sqlite3.Connection, path: Path) -> int:
    """Schema version of a sound queue of ours; raises DatabaseUnusable for anything else."""
    with path.open("rb") as file:
        head = file.read(16)
    if head != b"SQLite format 3\x00":
        raise _unusable(path, "corrupt", tr("it does not begin like an SQLite database"))
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION_ID and tables:
        raise _unusable(path, "foreign", tr("another program wrote it"))
    answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if answer != "ok":
        raise _unusable(path, "corrupt", answer.splitlines()[0])
    return schema_version(connection)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_good(backup: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            return bool(
                copy.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
                and copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            )
    except sqlite3.DatabaseError:
        return False


def _unusable(path: Path, kind: Literal["corrupt", "foreign"], detail: str) -> DatabaseUnusable:
    return DatabaseUnusable(path, kind, detail, backups(path))


def _backup_folder(path: Path) -> Path:
    return path.parent / "backups"


def _set_aside(error: DatabaseUnusable) -> Path:
    """Rename the bad file and its journals; a name that is taken is never reused."""
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    kept = error.path.with_name(f"{error.path.name}.{error.kind}-{stamp}")
    for ending in ("-wal", "-shm", ""):
        source = error.path.with_name(error.path.name + ending)
        if source.exists():
            source.rename(kept.with_name(kept.name + ending))
    sync(error.path.parent)
    return kept

"""Opening the queue's file: check, copy, migrate; what cannot be read is never overwritten, absence is no beginning."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

from pipelines.front.durable import sync, write_whole
from pipelines.front.language import reason_of, tr
from skyreels_tui.queue.errors import DatabaseUnusable, QueueTrouble, ReadOnlyQueue, Trouble, Unusable
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store import copies
from skyreels_tui.queue.store.attempts import JobsListener, ignore_changes
from skyreels_tui.queue.store.connection import Connection, our_errors, reading_address
from skyreels_tui.queue.store.mending import mend_rows
from skyreels_tui.queue.store.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate, schema_version
from skyreels_tui.queue.store.result_names import RESULT_NAME, default_stem
from skyreels_tui.queue.store.rows import utc_now
from skyreels_tui.queue.store.store import Store

PATIENCE_S = 10.0
"""How long a change waits for other programs that write."""
AGAIN_S = 0.01
"""Between two tries of what nothing waits for by itself."""
_TROUBLES = {errno.ENOSPC: Trouble.FULL, errno.EDQUOT: Trouble.FULL, errno.EAGAIN: Trouble.BUSY}
_TABLES = frozenset({"jobs", "refs", "control", "films", "scenes", "takes"})
_MOST_RESULTS = 100_000
"""Names in a result folder that are looked at."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A queue's file, and what tells of the queue when the file has gone."""

    path: Path
    memory: Path | None = None
    """Outside the queue's folder: remembers which queue there was."""
    results: Path | None = None
    """Finished videos, whose numbers are not given again."""


def utc_today() -> date:
    """The day by the wall clock: when to copy, never which copy is newer."""
    return datetime.now(UTC).date()


def open_store(
    path: Path,
    *,
    changed: JobsListener = ignore_changes,
    stem: Callable[[Job], str] = default_stem,
    memory: Path | None = None,
    results: Path | None = None,
    today: Callable[[], date] = utc_today,
    clock: Callable[[], datetime] = datetime.now,
    patience_s: float = PATIENCE_S,
    read_patience_s: float = PATIENCE_S,
    or_read: bool = False,
) -> Store:
    """Open or create the queue; a change waits at most `patience_s` for other programs that write.

    With `or_read`, a sound queue in a place that cannot be written is opened too, and changes alone are refused.

    A newer schema is opened read-only; an older one is migrated after a copy; one copy a day is made.
    Raises DatabaseUnusable for a damaged or foreign file, and for a missing one where a queue has been: all stays
    as it is; and QueueTrouble for one that cannot be opened this time.
    `memory` and `results` are those of `Whereabouts`; rows are stamped by `clock`.
    """
    where = Whereabouts(path, memory, results)
    try:
        with our_errors(path):
            connection = _opened(where, today, clock, patience_s, read_patience_s)
    except OSError as error:
        trouble = _TROUBLES.get(error.errno or 0, Trouble.READ_ONLY)
        raise QueueTrouble(trouble, path, reason_of(error)) from error
    except QueueTrouble as error:
        if not or_read or error.trouble is not Trouble.READ_ONLY:
            raise
        connection = _opened_to_read(where, error, patience_s, read_patience_s)
    return Store(connection, changed=changed, stem=stem)


def _opened(
    where: Whereabouts,
    today: Callable[[], date],
    clock: Callable[[], datetime],
    patience_s: float,
    read_patience_s: float,
) -> Connection:
    path = where.path
    fresh = _is_beginning(where)
    if not fresh:
        _check_writable(path)
    connection = _connect(path, read_only=False, busy_s=patience_s)
    connection.create_function("utc_now", 0, lambda: utc_now(clock))
    try:
        version = 0 if fresh else _verified_version(connection, where)
        # A kill while it was made leaves a file with a header and no tables: nothing to copy.
        fresh = fresh or version == 0
        if version > SCHEMA_VERSION:
            connection.close()
            connection = _connect(path, read_only=True, busy_s=patience_s)
            reader = _connect(path, read_only=True, busy_s=read_patience_s)
            return Connection(path, connection, reader, patience_s=patience_s, refusal=_newer)
        # Where another program makes the same new queue at this moment SQLite says busy at once, instead of waiting.
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"), patience_s)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if not fresh and version < SCHEMA_VERSION:
            _patiently(lambda: _copy_before(connection, path, today()), patience_s)
        if version < SCHEMA_VERSION:
            migrate(connection)
            sync(path.parent)
        _know_oneself(connection, where)
        mend_rows(connection)
        if not fresh and copies.is_due(connection, path, today()):
            _copy_today(connection, where, today())
        reader = _connect(path, read_only=True, busy_s=read_patience_s)
    except sqlite3.DatabaseError as error:
        connection.close()
        if _is_damage(error):
            raise _unusable(where, "corrupt", str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return Connection(path, connection, reader, patience_s=patience_s)


def _patiently(act: Callable[[], object], patience_s: float) -> None:
    """Do `act`; while another program is in its way, again, for up to `patience_s`: then raises what it raised."""
    until = time.monotonic() + patience_s
    while True:
        try:
            act()
            return
        except (BlockingIOError, sqlite3.OperationalError) as error:
            if not _is_busy(error) or time.monotonic() >= until:
                raise
        time.sleep(AGAIN_S)


def _is_busy(error: BlockingIOError | sqlite3.OperationalError) -> bool:
    return isinstance(error, BlockingIOError) or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _check_writable(path: Path) -> None:
    """Raise QueueTrouble for a file that SQLite would open to be read alone, without a word."""
    for one in (path, path.parent):
        if not os.access(one, os.W_OK, effective_ids=True):
            code = errno.EROFS if os.statvfs(one).f_flag & os.ST_RDONLY else errno.EACCES
            raise QueueTrouble(Trouble.READ_ONLY, path, tr(os.strerror(code)))


def _newer() -> ReadOnlyQueue:
    return ReadOnlyQueue(tr("a newer version of the program wrote this queue: update to change it"))


def _opened_to_read(where: Whereabouts, trouble: QueueTrouble, patience_s: float, read_patience_s: float) -> Connection:
    """Open a queue whose place cannot be written; raises `trouble` where there is none that this version can read."""
    path = where.path
    try:
        with our_errors(path), contextlib.ExitStack() as opened:
            connection = opened.enter_context(contextlib.closing(_connect(path, read_only=True, busy_s=patience_s)))
            if _verified_version(connection, where) < SCHEMA_VERSION:
                raise trouble
            reader = _connect(path, read_only=True, busy_s=read_patience_s)
            opened.pop_all()
    except (OSError, QueueTrouble):
        raise trouble from None
    again = (trouble.trouble, path, trouble.detail)
    return Connection(path, connection, reader, patience_s=patience_s, refusal=lambda: QueueTrouble(*again))


def restore(error: DatabaseUnusable, backup: Path) -> Path | None:
    """Put `backup` in the bad file's place; returns where the bad file is kept, None when there was none.

    Numbers that jobs got after the copy are not given again.
    """
    if not _is_unusable(error):
        return None
    last_id = _last_known_id(Whereabouts(error.path, error.memory, error.results))
    kept = _set_aside(error)
    write_whole(error.path, backup.read_bytes())
    with contextlib.closing(_connect(error.path, read_only=False)) as connection:
        identity = copies.identity_of(connection)
        found = [copies.identity_in(one) for one in copies.copies_of(error.path)]
        newest = max((one.copies for one in found if one is not None and one.queue == identity.queue), default=0)
        with _writing(connection):
            copies.write_identity(connection, identity.queue, max(newest, identity.copies), last_id)
        copies.remember(error.memory, copies.identity_of(connection))
    return kept


def start_new(error: DatabaseUnusable) -> Path | None:
    """Begin an empty queue; returns where the bad file is kept, None when there was none.

    Its jobs get higher numbers than any that is known, and the copies of the old queue stay.
    """
    if not _is_unusable(error):
        return None
    last_id = _last_known_id(Whereabouts(error.path, error.memory, error.results))
    kept = _set_aside(error)
    with contextlib.closing(_connect(error.path, read_only=False)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
        with _writing(connection):
            copies.write_identity(connection, os.urandom(8).hex(), 0, last_id)
        copies.remember(error.memory, copies.identity_of(connection))
    sync(error.path.parent)
    return kept


def backups(path: Path) -> tuple[Path, ...]:
    """Good copies of the queue, newest first."""
    return copies.good_copies(path)


def _is_beginning(where: Whereabouts) -> bool:
    """True where no queue has ever been; raises DatabaseUnusable where one is missing or something else lies."""
    # Looked at before the file: a queue that is being made leaves its traces last.
    trace, path = _trace(where), where.path
    try:
        facts = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise _unusable(where, "foreign", tr("it is a link that leads nowhere")) from None
        missing = True
    else:
        if stat.S_ISDIR(facts.st_mode):
            raise _unusable(where, "foreign", tr("it is a folder"))
        if not stat.S_ISREG(facts.st_mode):
            raise _unusable(where, "foreign", tr("it is a pipe or a device"))
        missing = facts.st_size == 0
    if missing and trace:
        raise _unusable(where, "missing", trace)
    return missing


def _trace(where: Whereabouts) -> str:
    """What tells that there has been a queue, in words, or ''."""
    path = where.path
    if copies.copies_of(path):
        return tr("there are copies of it in {folder}", folder=copies.folder_of(path))
    if any(path.with_name(path.name + ending).exists() for ending in ("-wal", "-shm")):
        return tr("what was written to it last is still there")
    if any(path.parent.glob(f"{path.name}.*")):
        return tr("an older one is kept beside it")
    if any(_work_folders(path)):
        return tr("there are work folders of its jobs")
    known = copies.remembered(where.memory)
    if known is not None and known.last_id:
        return tr("{memory} remembers it", memory=where.memory)
    return ""


def _work_folders(path: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for one in (path.parent / "jobs").iterdir():
            if one.name.isascii() and one.name.isdigit() and len(one.name) < 10:
                yield int(one.name)


def _result_numbers(results: Path | None) -> Iterator[int]:
    if results is None:
        return
    with contextlib.suppress(OSError):
        for pattern in ("*", "*/*"):
            for one in islice(results.glob(pattern), _MOST_RESULTS):
                if found := RESULT_NAME.match(one.name):
                    yield int(found[1])


def _last_known_id(where: Whereabouts) -> int:
    """The highest number of a job that anything here tells of."""
    path = where.path
    files = [path, *copies.copies_of(path), *path.parent.glob(f"{path.name}.*")]
    known = [copies.remembered(where.memory), *(copies.identity_in(one) for one in files)]
    numbers = [one.last_id for one in known if one is not None]
    return max([0, *numbers, *_work_folders(path), *_result_numbers(where.results)])


def _know_oneself(connection: sqlite3.Connection, where: Whereabouts) -> None:
    """Give a queue its name; one that is behind its memory was put there by hand and counts on from what is known."""
    path, memory = where.path, where.memory
    identity, known = copies.identity_of(connection), copies.remembered(memory)
    if identity.queue and known is not None and identity.queue == known.queue and identity.copies >= known.copies:
        if identity.last_id and not known.last_id:
            copies.remember(memory, identity)
        return
    if identity.queue and memory is None:
        return
    found = [copies.identity_in(one) for one in copies.copies_of(path)]
    own = [one.copies for one in (known, *found) if one is not None and one.queue == identity.queue]
    # Films of others may lie where a first queue writes: its numbers begin at 1 all the same.
    last_id = _last_known_id(where if identity.queue else replace(where, results=None))
    if identity.queue and known is not None:
        _log.warning("the queue is an older copy, or another queue, put in place of %s", known.queue)
    with _writing(connection):
        # Another process may have named it meanwhile.
        now = copies.identity_of(connection)
        copies.write_identity(
            connection, now.queue or os.urandom(8).hex(), max([now.copies, *(own if now.queue else [])]), last_id
        )
    copies.remember(memory, copies.identity_of(connection))


def _copy_before(connection: sqlite3.Connection, path: Path, today: date) -> None:
    """The copy without which no table is changed. Raises BlockingIOError while another program copies the queue."""
    with copies.copying(path):
        copies.copy_queue(connection, path, reason=f"before-v{SCHEMA_VERSION}", today=today)


def _copy_today(connection: sqlite3.Connection, where: Whereabouts, today: date) -> None:
    """A copy that cannot be made must not keep anybody from the queue."""
    try:
        with copies.copying(where.path):
            # Another program may have made it since it was found to be due.
            if copies.is_due(connection, where.path, today):
                copies.copy_queue(connection, where.path, reason="daily", today=today)
    except BlockingIOError:
        # Whoever copies it just now makes that of today.
        return
    except OSError as error:
        _log.warning("the queue could not be copied: %s", error)
    except sqlite3.OperationalError as error:
        if _is_damage(error):
            raise
        _log.warning("the queue could not be copied: %s", error)
    else:
        copies.remember(where.memory, copies.identity_of(connection))


@contextlib.contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_unusable(error: DatabaseUnusable) -> bool:
    """Whether it still is: another window may have been asked the same and answered first."""
    where = Whereabouts(error.path, error.memory, error.results)
    try:
        if _is_beginning(where):
            return False
        with contextlib.closing(_connect(error.path, read_only=True)) as connection:
            _verified_version(connection, where)
    except (DatabaseUnusable, sqlite3.DatabaseError):
        return True
    return False


def _connect(path: Path, *, read_only: bool, busy_s: float = PATIENCE_S) -> sqlite3.Connection:
    if not read_only:
        # The queue holds prompts and paths: nobody else reads it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    address = reading_address(path) if read_only else f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _verified_version(connection: sqlite3.Connection, where: Whereabouts) -> int:
    """Schema version of a sound queue of ours; raises DatabaseUnusable for anything else."""
    with where.path.open("rb") as file:
        head = file.read(16)
    if head != b"SQLite format 3\x00":
        raise _unusable(where, "corrupt", tr("it does not begin like an SQLite database"))
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION_ID and tables:
        raise _unusable(where, "foreign", tr("another program wrote it"))
    answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if answer != "ok":
        raise _unusable(where, "corrupt", answer.splitlines()[0])
    version = schema_version(connection)
    if version == SCHEMA_VERSION:
        names = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if lost := sorted(_TABLES - names):
            raise _unusable(where, "corrupt", tr("the table {name} is missing", name=lost[0]))
    return version


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _unusable(where: Whereabouts, kind: Unusable, detail: str) -> DatabaseUnusable:
    known = copies.remembered(where.memory)
    good = copies.good_copies(where.path, known.queue if known is not None else "")
    return DatabaseUnusable(where.path, kind, detail, good, memory=where.memory, results=where.results)


def _set_aside(error: DatabaseUnusable) -> Path | None:
    """Rename the bad file and its journals; a name that is taken is never reused. None when there is nothing."""
    kept = error.path.with_name(f"{error.path.name}.{error.kind}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    moved = False
    for ending in ("-wal", "-shm", ""):
        source = error.path.with_name(error.path.name + ending)
        if source.exists() or source.is_symlink():
            source.rename(kept.with_name(kept.name + ending))
            moved = True
    sync(error.path.parent)
    return kept if moved else None

"""Every SQL statement and every file operation of every thread fails, in each way: no thread ends, nothing is lost.

With `SKYREELS_TORTURE` each fails in a life of its own; otherwise several fail in one life of the queue.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from skyreels_tui.app.changes import Changes
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.errors import QueueTrouble
from skyreels_tui.queue.events import Event
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import PICTURE, WAIT_S, entry, make_request
from tests.queue.points import watched_os

EVERYTHING = bool(os.environ.get("SKYREELS_TORTURE"))
THREADS = ("inference", "queue-watch", "inbox", "memory-watchdog", "changes")
SQL_FAULTS = {
    "busy": (sqlite3.SQLITE_BUSY, "database is locked"),
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "read-only": (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    "broken": (sqlite3.SQLITE_IOERR, "disk I/O error"),
}
FILE_FAULTS = {
    "full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "broken": errno.EIO,
    "busy": errno.EBUSY,
}

Watch = Callable[[str], None]
"""Called with 'thread: what' before a statement or an operation; may raise."""


@contextmanager
def watched_sql(watch: Watch) -> Iterator[None]:
    """Every statement of this process passes `watch` first: Python's own module, asked for another class."""

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            watch(f"{threading.current_thread().name}: {shape_of(sql)}")
            return super().execute(sql, *values)

    real = sqlite3.connect
    sqlite3.connect = lambda *args, **options: real(*args, factory=Watched, **options)  # type: ignore[assignment]
    try:
        yield
    finally:
        sqlite3.connect = real


def shape_of(sql: str) -> str:
    """A statement without what differs from job to job."""
    return re.sub(r"\d+", "n", " ".join(sql.split()))[:120]


def shape_of_file(operation: str, path: str, root: Path) -> str:
    """An operation without what differs from run to run."""
    inside = str(Path(path).relative_to(root)) if path.startswith(str(root)) else Path(path).name
    inside = re.sub(r"\.[0-9a-f]+\.part$", ".part", inside)
    return f"{operation} {re.sub(r'[a-z]+-seed', 'seed', re.sub(r'[0-9]+', 'n', inside))}"


class Faults:
    """Counts what passes; each of the wanted shapes fails the first few times that it passes."""

    def __init__(
        self, wanted: Collection[str] = (), fail: Callable[[], None] = lambda: None, *, times: int = 2
    ) -> None:
        self.seen: list[str] = []
        self._times = times
        self._left = dict.fromkeys(wanted, times)
        self._fail = fail
        self.armed = False

    def __call__(self, what: str) -> None:
        if not self.armed:
            return
        if what not in self.seen:
            self.seen.append(what)
        if self._left.get(what):
            self._left[what] -= 1
            self._fail()

    @property
    def failed(self) -> int:
        """Shapes that have failed."""
        return sum(left < self._times for left in self._left.values())


def live_through(root: Path, sql: Faults, files: Faults) -> list[str]:
    """A queue with all its threads and keys, from opening to closing; returns what went wrong."""
    folders = find_folders({"SKYREELS_TUI_HOME": str(root / "home")})
    inbox = root / "inbox"
    inbox.mkdir(parents=True)
    wrong: list[str] = []
    told: list[Event] = []

    def watch_file(when: str, operation: str, path: str) -> None:
        if when == "before":
            files(f"{threading.current_thread().name}: {shape_of_file(operation, path, root)}")

    with watched_sql(sql), watched_os(root, watch_file):
        service = QueueService(
            folders,
            root / "result",
            told.append,
            executor=lambda: FakeExecutor(Script(num_steps=2)),
            options=QueueOptions(
                inbox=inbox,
                inbox_poll_s=0.05,
                memory_floor_bytes=1,
                patience_s=0.2,
                read_patience_s=0.2,
                retry_s=0.02,
            ),
        )
        changes = Changes(lambda said: said(), lambda _: None)
        refused: list[object] = []
        again: list[int] = []

        def key(change: Callable[[], object]) -> None:
            changes.ask(change, lambda error: refused.append(error) if error is not None else None)

        sql.armed = files.armed = True
        service.start()
        jobs: list[int] = []
        key(
            lambda: jobs.extend(
                job.id for job in service.actions.add_many([entry("a"), entry("b"), entry("c"), entry("d")])
            )
        )
        key(service.actions.pause)
        key(service.actions.unpause)
        key(lambda: service.actions.hold(jobs[3]))
        key(lambda: service.actions.edit(jobs[3], make_request(seed=5)))
        key(lambda: service.actions.rename(jobs[3], "last"))
        key(lambda: service.actions.move(jobs[3], -1))
        key(lambda: service.actions.restart(jobs[3]))
        key(lambda: service.actions.delete(jobs[0]) if service.job(jobs[0]).state is not JobState.RUNNING else None)
        key(lambda: service.actions.undelete(jobs[0]))
        key(lambda: service.actions.run_next(jobs[2]) if service.job(jobs[2]).state is JobState.QUEUED else None)
        dropped = {"label": "dropped", "task_type": "reference_to_video", "prompt": "x", "profile": "demo"}
        (inbox / ".hidden").write_text(json.dumps([dropped | {"ref_imgs": [PICTURE], "resolution": "128P"}]))
        # It has lain still for long: nobody waits for it.
        os.utime(inbox / ".hidden", (0, 0))
        (inbox / ".hidden").rename(inbox / "dropped.json")
        deadline = time.monotonic() + WAIT_S
        while changes.waiting and time.monotonic() < deadline:
            time.sleep(0.005)
        while len(refused) > len(again) and time.monotonic() < deadline:
            # It was said in words why the stored steps could not be set aside: a person presses the key again.
            again.append(len(refused))
            key(lambda: service.actions.restart(jobs[3]))
            wait_for(lambda: not changes.waiting, deadline)
        if changes.waiting:
            wrong.append(f"{changes.waiting} changes are not stored")
        wrong += [f"refused: {one}" for one in refused if isinstance(one, QueueTrouble)]
        if not wait_for(lambda: len(rows(service)) == 5 and all(done(job) for job in rows(service)), deadline):
            wrong += [f"{job.label} is {job.state}: {job.error or job.reason}" for job in rows(service)]
        names = {thread.name for thread in threading.enumerate() if thread.is_alive()}
        wrong += [f"the thread {name} has ended" for name in THREADS if name not in names]
        sql.armed = files.armed = False
        changes.close()
        if not service.close(timeout_s=WAIT_S):
            wrong.append("it does not close")
    return wrong


def rows(service: QueueService) -> list[Any]:
    try:
        return service.jobs()
    except QueueTrouble:
        return []


def done(job: Any) -> bool:
    """A job may fail by a broken disk, and then says so; it is never lost."""
    return job.state is JobState.DONE or (job.state is JobState.FAILED and bool(job.error))


def wait_for(condition: Callable[[], bool], deadline: float) -> bool:
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("skyreels_tui.app.changes.RETRY_S", 0.02)
    monkeypatch.setattr("skyreels_tui.queue.watch._LOOK_S", 0.05)
    monkeypatch.setattr("skyreels_tui.queue.engine.limits.watchdog.PERIOD_S", 0.05)


Shapes = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def passed(tmp_path_factory) -> Shapes:
    """Every shape of statement and of file operation of our threads, in an undisturbed life."""
    sql, files = Faults(), Faults()
    assert live_through(tmp_path_factory.mktemp("whole"), sql, files) == []
    ours = tuple(f"{name}: " for name in THREADS)
    return [one for one in sql.seen if one.startswith(ours)], [one for one in files.seen if one.startswith(ours)]


def groups(shapes: list[str], lives: int) -> list[list[str]]:
    """Which shapes fail together: each alone, or a share of them a life."""
    return [[one] for one in shapes] if EVERYTHING else [shapes[start::lives] for start in range(lives)]


def raise_sql(fault: str) -> None:
    code, words = SQL_FAULTS[fault]
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    raise error


def raise_os(fault: str) -> None:
    raise OSError(FILE_FAULTS[fault], os.strerror(FILE_FAULTS[fault]))


@pytest.mark.parametrize("fault", SQL_FAULTS)
def test_every_statement_of_every_thread_may_fail(passed, tmp_path, fault):
    shapes, tried, wrong = passed[0], 0, []
    assert {shape.partition(":")[0] for shape in shapes} == set(THREADS) - {"memory-watchdog"}
    for number, group in enumerate(groups(shapes, 1)):
        sql = Faults(group, lambda: raise_sql(fault))
        wrong += [f"{group}: {one}" for one in live_through(tmp_path / str(number), sql, Faults())]
        tried += sql.failed
    print(f"{fault}: {tried} of {len(shapes)} statements")  # noqa: T201
    assert wrong == []
    assert tried >= len(shapes) * 3 // 4


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_every_file_operation_of_every_thread_may_fail(passed, tmp_path, fault):
    shapes, tried, wrong = passed[1], 0, []
    # A job that finds its disk full four times although there is room is held with a question.
    lives, times = (12, 1) if fault == "full" else (3, 2)
    for number, group in enumerate(groups(shapes, lives)):
        files = Faults(group, lambda: raise_os(fault), times=times)
        wrong += [f"{group}: {one}" for one in live_through(tmp_path / str(number), Faults(), files)]
        tried += files.failed
    print(f"{fault}: {tried} of {len(shapes)} file operations")  # noqa: T201
    assert wrong == []
    assert tried >= len(shapes) // 3


@pytest.mark.parametrize("fault", SQL_FAULTS)
@pytest.mark.parametrize("fails", ["COMMIT", "INSERT", "SELECT"])
def test_a_change_that_can_be_neither_stored_nor_undone_harms_no_later_one(tmp_path, fails, fault):
    broken: list[str] = []

    def watch(what: str) -> None:
        if broken and what.partition(": ")[2].startswith(tuple(broken)):
            raise_sql(fault)

    with watched_sql(watch), closing(open_store(tmp_path / "queue.db")) as store:
        store.add(entry("a"))
        broken += [fails, "ROLLBACK"]
        with pytest.raises(QueueTrouble):
            store.add(entry("b"))
        broken.clear()
        store.add(entry("c"))
        assert [job.label for job in store.list()] == ["a", "c"]

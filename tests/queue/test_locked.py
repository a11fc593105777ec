"""A database that another process has locked, or whose disk fails: words, nothing half done, nothing lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.errors import QueueTrouble, Trouble
from skyreels_tui.queue.events import QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.connection import our_errors
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import WAIT_S, Events, entry, make_request
from tests.queue.holding import held_by_another_process
from tests.queue.sqlite_shim import FULL, IOERR_FSYNC, IOERR_WRITE, OK, shimmed

PATIENCE_S = 0.1

CHANGES = {
    "add": lambda store, job: store.add(entry("new")),
    "add many": lambda store, job: store.add_many([entry("x"), entry("y")]),
    "duplicate": lambda store, job: store.duplicate(job),
    "edit": lambda store, job: store.edit(job, make_request(seed=9)),
    "rename": lambda store, job: store.rename(job, "other"),
    "hold": lambda store, job: store.hold(job),
    "cancel": lambda store, job: store.cancel(job),
    "restart": lambda store, job: store.restart(job),
    "move": lambda store, job: store.move(job, 1),
    "run next": lambda store, job: store.run_next(job),
    "delete": lambda store, job: store.delete(job),
    "pause": lambda store, job: store.set_control("pause", "now"),
    "claim": lambda store, job: store.attempts.claim(),
    "recover": lambda store, job: store.attempts.recover(auto_resume=True),
}
SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_BUSY = 8, 11, 5
FAULTS = {
    FULL: Trouble.FULL,
    IOERR_WRITE: Trouble.BROKEN,
    IOERR_FSYNC: Trouble.BROKEN,
    SQLITE_READONLY: Trouble.READ_ONLY,
    SQLITE_CORRUPT: Trouble.DAMAGED,
    SQLITE_BUSY: Trouble.BUSY,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_locked_file_refuses_a_change_in_words_and_is_read_meanwhile(tmp_path, name):
    path = tmp_path / "queue.db"
    with closing(open_store(path, patience_s=PATIENCE_S)) as store:
        job = store.add_many([entry("a"), entry("b")])[0].id
        before = store.list()
        with held_by_another_process(path):
            with pytest.raises(QueueTrouble, match="busy") as caught:
                CHANGES[name](store, job)
            assert caught.value.trouble is Trouble.BUSY and caught.value.passes
            assert store.list() == before and store.control("pause") == ""
        CHANGES[name](store, job)


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("name", CHANGES)
def test_a_disk_that_fails_at_any_write_leaves_every_row_as_it_was(tmp_path, name, code):
    path, armed = tmp_path / "queue.db", []

    def hook(when: str, operation: str, where: str) -> int:
        return code if armed and when == "before" and not where.endswith("-shm") else OK

    with shimmed(hook):
        with closing(open_store(path, patience_s=PATIENCE_S)) as store:
            job = store.add_many([entry("a"), entry("b")])[0].id
            before = store.list()
            if name == "recover":
                store.attempts.claim()
                before = store.list()
            armed.append(True)
            with pytest.raises(QueueTrouble) as caught:
                CHANGES[name](store, job)
            armed.clear()
            assert caught.value.trouble is FAULTS[code]
            assert str(path) in str(caught.value) and "Nothing was changed" in str(caught.value)
            assert caught.value.passes == (code != SQLITE_CORRUPT)
            assert store.list() == before and store.control("pause") == ""
            CHANGES[name](store, job)
        with closing(open_store(path)) as again:
            assert len(again.list()) >= 1


CODES = {
    Trouble.BUSY: (5, 5 | 1 << 8, 5 | 2 << 8, 6, 6 | 1 << 8, 15, 17),
    Trouble.FULL: (13,),
    Trouble.READ_ONLY: (8, 8 | 1 << 8, 8 | 4 << 8, 8 | 5 << 8, 14, 14 | 2 << 8, 3, 23),
    Trouble.DAMAGED: (11, 11 | 2 << 8, 26),
    Trouble.BROKEN: (10, 10 | 2 << 8, 10 | 12 << 8, 10 | 34 << 8, 7, 9, 22, 2, 4, 4 | 2 << 8),
}
"""What SQLite's codes mean, see sqlite.org/rescode.html; the upper bits say more of the same."""


@pytest.mark.parametrize(("trouble", "code"), [(trouble, code) for trouble in CODES for code in CODES[trouble]])
def test_whatever_sqlite_meets_outside_is_said_in_words(tmp_path, trouble, code):
    error = sqlite3.DatabaseError("words")
    error.sqlite_errorcode = code
    with pytest.raises(QueueTrouble) as caught, our_errors(tmp_path / "queue.db"):
        raise error
    assert caught.value.trouble is trouble and "queue.db" in str(caught.value)


@pytest.mark.parametrize("code", [1, 19, 20, 21, 25])
def test_a_mistake_of_ours_stays_one(tmp_path, code):
    error = sqlite3.OperationalError("near 'SELEKT': syntax error")
    error.sqlite_errorcode = code
    with pytest.raises(sqlite3.OperationalError), our_errors(tmp_path / "queue.db"):
        raise error


def test_giving_up_waits_for_nobody_and_fails_at_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("skyreels_tui.queue.store.attempts.GIVING_UP_S", PATIENCE_S)
    path, armed = tmp_path / "queue.db", []
    broken = shimmed(lambda when, operation, where: IOERR_WRITE if armed and when == "before" else OK)
    reason = because(Code.STOPPED_AT_ONCE)
    with broken, closing(open_store(path)) as store:
        job = store.add(entry("a"))
        store.attempts.claim()
        armed.append(True)
        store.attempts.give_up(job.id, reason=reason)
        armed.clear()
        assert store.get(job.id).state is JobState.RUNNING, "the next owner sorts it out"
        with held_by_another_process(path):
            store.attempts.give_up(job.id, reason=reason)
        store.attempts.give_up(job.id, reason=reason)
        assert store.get(job.id).state is JobState.INTERRUPTED


def test_a_closed_queue_says_so(tmp_path):
    store = open_store(tmp_path / "queue.db")
    store.close()
    for use in (lambda: store.list(), lambda: store.add(entry("a")), lambda: store.revision()):
        with pytest.raises(QueueTrouble) as caught:
            use()
        assert caught.value.trouble is Trouble.CLOSED and not caught.value.passes


def test_a_restart_that_cannot_be_stored_keeps_the_steps(open_service, folders):
    service = open_service(start=False, patience_s=PATIENCE_S)
    job = service.actions.add(make_request())
    steps = folders.jobs / str(job.id) / "step"
    steps.parent.mkdir()
    steps.touch()
    with held_by_another_process(folders.database), pytest.raises(QueueTrouble):
        service.actions.restart(job.id)
    assert steps.exists()
    service.actions.restart(job.id)
    assert not steps.exists() and list(folders.jobs.iterdir()) == []


def test_a_take_over_that_fails_lets_the_lock_go_and_comes_later(open_service, folders):
    """The owner dies while the file is locked: the window that is left does not hold a lock that stands for nothing."""
    first = open_service(start=False, runs=False)
    job = first.actions.add(make_request())
    with closing(open_store(folders.database)) as dead:
        dead.attempts.claim()
    events = Events()
    with held_by_another_process(folders.database):
        service = open_service(
            FakeExecutor(Script(num_steps=2)), events=events, patience_s=PATIENCE_S, auto_resume=True
        )
        events.wait_for(lambda e: isinstance(e, QueueStatus) and not e.is_owner and "busy" in e.message)
        assert service.trouble is not None
        from skyreels_tui.queue.store.lock import OwnerLock

        free = OwnerLock(folders.lock)
        deadline = time.monotonic() + WAIT_S
        while not free.acquire():
            assert time.monotonic() < deadline, "the lock is held although nothing runs"
        free.release()
    assert service.wait(job.id, WAIT_S).state is JobState.DONE
    assert service.is_owner and service.trouble is None


def test_the_inbox_and_the_runner_outlive_a_lock(open_service, folders, tmp_path):
    from skyreels_tui.queue.batches.batch_file import to_json

    inbox = tmp_path / "inbox"
    inbox.mkdir()
    executor = FakeExecutor(Script(num_steps=3), gated=True)
    service = open_service(executor, inbox=inbox, patience_s=PATIENCE_S, retry_s=0.05, memory_floor_bytes=1)
    job = service.actions.add(make_request(), label="one")
    executor.advance(1)
    text = to_json([job])
    with held_by_another_process(folders.database):
        (inbox / "later.json").write_text(text)
        executor.open_gate()
        deadline = time.monotonic() + WAIT_S
        while not any((inbox / ".taking").glob("*")) and time.monotonic() < deadline:
            pass
        assert any((inbox / ".taking").glob("*")), "it waits where a crash would leave it recognisable"
    assert service.wait(job.id, WAIT_S).state is JobState.DONE
    assert service.wait_idle(WAIT_S)
    assert [one.state for one in service.jobs()] == [JobState.DONE] * 2
    assert service.beats.late() == ()


COMMANDS = (
    ("hold", "1"),
    ("move", "2", "first"),
    ("pause",),
    ("run", "--progress", "none"),
)


def test_a_database_locked_for_15_s_ends_no_command_and_loses_nothing(open_service, folders):
    """With the patience that people get: each command waits its ten seconds, then says what is wrong."""
    service = open_service(start=False, runs=False)
    service.actions.add_many([entry("a"), entry("b")])
    before = service.jobs()
    environment = {"SKYREELS_TUI_HOME": str(folders.state.parent), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    with held_by_another_process(folders.database):
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "skyreels_tui", *words], stdout=-1, stderr=-1, text=True, env=environment
            )
            for words in COMMANDS
        ]
        for words, command in zip(COMMANDS, running, strict=True):
            out, problems = command.communicate(timeout=120)
            assert command.returncode == 5, (words, out, problems)
            assert "busy" in problems and "Nothing was changed" in problems and "Traceback" not in problems
            assert out == ""
        assert time.monotonic() - began >= 10
    assert service.jobs() == before
    assert service.status().pause == ""

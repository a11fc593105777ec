"""Damaged, foreign, old and newer databases: nothing is overwritten, a good copy is offered."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from skyreels_tui.queue.errors import DatabaseUnusable, ReadOnlyQueue
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store import migrations
from skyreels_tui.queue.store.copies import copying
from skyreels_tui.queue.store.opening import backups, open_store, restore, start_new
from tests.queue.conftest import entry


def fill(path: Path, *names: str) -> None:
    with closing(open_store(path)) as store:
        store.add_many([entry(name) for name in names])


def labels(path: Path) -> list[str]:
    with closing(open_store(path)) as store:
        return [job.label for job in store.list()]


def damage(path: Path) -> bytes:
    """Overwrite the middle of the file, as a bad disk does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    return bytes(data)


def test_a_damaged_queue_is_kept_and_its_backup_offered(tmp_path):
    path = tmp_path / "queue.db"
    fill(path, "a", "b")
    assert labels(path) == ["a", "b"]  # opening made today's backup
    bad = damage(path)
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(path)
    error = caught.value
    assert error.kind == "corrupt" and len(error.backups) == 1 and "restore" in str(error)
    assert path.read_bytes() == bad, "looking at it changed it"
    kept = restore(error, error.backups[0])
    assert kept.read_bytes() == bad
    assert labels(path) == ["a", "b"]


def test_a_damaged_queue_without_a_backup_can_be_replaced_by_a_new_one(tmp_path):
    path = tmp_path / "queue.db"
    path.write_bytes(b"no database at all\n" * 100)
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(path)
    assert caught.value.kind == "corrupt" and caught.value.backups == ()
    kept = start_new(caught.value)
    assert kept.read_bytes().startswith(b"no database")
    assert labels(path) == []


def test_a_file_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "queue.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
        other.execute("INSERT INTO recipes VALUES ('soup')")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(path)
    assert caught.value.kind == "foreign" and path.read_bytes() == before


def test_a_queue_of_a_newer_version_is_only_shown(tmp_path):
    path = tmp_path / "queue.db"
    fill(path, "a")
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("ALTER TABLE jobs ADD COLUMN mood TEXT")
        newer.execute("PRAGMA user_version = 99")
    with closing(open_store(path)) as store:
        assert store.read_only
        assert [job.label for job in store.list()] == ["a"]
        with pytest.raises(ReadOnlyQueue):
            store.add(entry("b"))
        with pytest.raises(ReadOnlyQueue):
            store.attempts.claim()


def test_a_backup_is_made_once_a_day_and_old_ones_go(tmp_path):
    path = tmp_path / "queue.db"
    fill(path, "a")
    for day in range(1, 12):
        for _ in range(3):
            open_store(path, today=lambda day=day: date(2026, 1, day)).close()
        assert len(backups(path)) == min(day, 7)


def test_a_migration_is_preceded_by_a_backup_and_undone_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "queue.db"
    fill(path, "a")

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE jobs ADD COLUMN mood TEXT")
        raise RuntimeError("power cut")

    def works(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE jobs ADD COLUMN mood TEXT")

    now = migrations.SCHEMA_VERSION
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", now + 1)
    monkeypatch.setattr("skyreels_tui.queue.store.opening.SCHEMA_VERSION", now + 1)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, broken))
    with pytest.raises(RuntimeError):
        open_store(path)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] == now
        assert "mood" not in raw.execute("SELECT sql FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS[:now], works))
    assert labels(path) == ["a"]
    assert any(f"before-v{now + 1}" in one.name for one in backups(path))


def test_many_processes_may_open_a_new_queue_at_once(tmp_path):
    path = tmp_path / "queue.db"
    start, errors = threading.Barrier(8), []

    def open_and_add(number: int) -> None:
        start.wait()
        try:
            fill(path, str(number))
        except sqlite3.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=open_and_add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(labels(path)) == [str(number) for number in range(8)]


def test_a_new_queue_waits_for_whoever_makes_it_at_the_same_moment(tmp_path):
    """SQLite says busy at once to who switches a file to write ahead while another writes to it."""
    path = tmp_path / "queue.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("DROP TABLE t")
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.3, other.execute, ("ROLLBACK",))
        ends.start()
        fill(path, "a")
        ends.join()
    assert labels(path) == ["a"]


def test_programs_that_open_a_queue_at_once_make_one_whole_copy_of_the_day(tmp_path, caplog):
    path = tmp_path / "queue.db"
    fill(path, "a")
    start = threading.Barrier(8)

    def open_it() -> None:
        start.wait()
        open_store(path).close()

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caplog.messages == []
    [copy] = (path.parent / "backups").glob("*.db")
    assert backups(path) == (copy,)


def test_a_copy_that_another_program_makes_is_not_waited_for(tmp_path, caplog):
    path = tmp_path / "queue.db"
    fill(path, "a")
    with copying(path):
        assert labels(path) == ["a"]
        assert backups(path) == ()
    assert labels(path) == ["a"]
    assert len(backups(path)) == 1
    assert caplog.messages == []


def test_the_queue_belongs_to_its_owner_alone(tmp_path):
    path = tmp_path / "queue.db"
    fill(path, "a")
    assert path.stat().st_mode & 0o077 == 0


OLD_REASONS = {
    "waits for job 12": because(Code.WAITS_FOR_JOB, id=12),
    "interrupted at step 20 of 20, part 3 of 4 (condition)": because(
        Code.INTERRUPTED, step=20, num_steps=20, part=3, num_parts=4, stage="condition"
    ),
    "disk full 4 times with 9.00 GiB free, a quota? (disk full at /restart-test)": because(
        Code.DISK_STAYS_FULL, tries=4, free="9.00 GiB", error="disk full at /restart-test"
    ),
    "a sentence of somebody: restart it": because(Code.WORDS, text="a sentence of somebody: restart it"),
    "": because(Code.NONE),
}


def test_a_queue_of_version_1_keeps_its_reasons_as_codes(tmp_path):
    path = tmp_path / "queue.db"
    fill(path, *map(str, range(len(OLD_REASONS))))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 1")
        raw.execute("ALTER TABLE jobs DROP COLUMN result_dir")
        for job_id, text in enumerate(OLD_REASONS, 1):
            raw.execute("UPDATE jobs SET reason = ?, step = 7 WHERE id = ?", (text, job_id))
        raw.commit()
    with closing(open_store(path)) as store:
        assert [(job.reason, job.step) for job in store.list()] == [(reason, 7) for reason in OLD_REASONS.values()]
    with closing(open_store(path)) as store:
        assert [job.reason for job in store.list()] == list(OLD_REASONS.values()), "once is enough"

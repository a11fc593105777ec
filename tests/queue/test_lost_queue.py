"""Copies and absence: content decides what is newest, a lost queue is asked about, numbers never come again."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from skyreels_tui.queue.errors import DatabaseUnusable
from skyreels_tui.queue.store.opening import backups, open_store, restore, start_new
from tests.queue.conftest import entry
from tests.queue.test_opening import damage, fill

DAY = date(2026, 5, 17)


def labels_in(copy: Path) -> list[str]:
    with closing(sqlite3.connect(copy)) as connection:
        return [row[0] for row in connection.execute("SELECT label FROM jobs ORDER BY id")]


# Clocks and names


@pytest.mark.parametrize(
    "days",
    [
        [0, 401, 402, 403, 404, 405, 406, 407, 1, 2, 3],
        [0, 401, 1],
        [0, -400, 1, 2],
        [0, 400, 399, 398, 397, 396, 395, 394, 393, 392],
        [0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
        [0, 8000, -8000, 5],
    ],
)
def test_the_newest_copy_is_the_one_with_the_newest_content(tmp_path, days):
    """Each start, under whatever clock, copies what was there before it and then adds a job."""
    path = tmp_path / "queue.db"
    for number, offset in enumerate(days):
        with closing(open_store(path, today=lambda offset=offset: DAY + timedelta(offset))) as store:
            store.add(entry(f"job{number}"))
    damage(path)
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(path)
    found = [len(labels_in(copy)) for copy in caught.value.backups]
    assert found == sorted(found, reverse=True) and found[0] == len(days) - 1
    assert len(found) == min(7, len(days) - 1), "the oldest content goes, not the oldest name"


def test_names_of_copies_decide_nothing(tmp_path):
    path = tmp_path / "queue.db"
    for number in range(4):
        with closing(open_store(path, today=lambda number=number: DAY + timedelta(number))) as store:
            store.add(entry(f"job{number}"))
    copies = backups(path)
    for place, name in enumerate(("queue-99999999-x.db", "queue-0.db", "queue-zz.db")):
        copies[len(copies) - 1 - place].rename(copies[0].with_name(name))
    assert [len(labels_in(copy)) for copy in backups(path)] == [3, 2, 1]


def test_a_clock_that_ran_backwards_is_told_once(tmp_path, caplog):
    path = tmp_path / "queue.db"
    fill(path, "a")
    open_store(path, today=lambda: DAY).close()
    assert "ran backwards" not in caplog.text
    for _ in range(2):
        open_store(path, today=lambda: DAY - timedelta(3)).close()
    assert caplog.text.count("ran backwards") == 1


# Absence is no beginning


@dataclass
class Home:
    """A queue with four jobs, a copy of the first three, and a memory of it elsewhere."""

    path: Path
    memory: Path
    results: Path

    def open(self):
        return open_store(self.path, memory=self.memory, results=self.results)

    def ids(self) -> list[int]:
        with closing(self.open()) as store:
            return sorted(job.id for job in store.list())

    def add(self) -> int:
        with closing(self.open()) as store:
            return store.add(entry("new")).id


@pytest.fixture
def home(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    found = Home(state / "queue.db", tmp_path / "config" / "queue.json", tmp_path / "result")
    found.memory.parent.mkdir()
    with closing(found.open()) as store:
        store.add_many([entry(name) for name in "abc"])
    assert found.add() == 4  # this opening made today's copy
    return found


def journals(home: Home) -> list[Path]:
    return [home.path.with_name(f"queue.db{ending}") for ending in ("-wal", "-shm")]


def gone(home: Home) -> None:
    home.path.unlink()


def empty(home: Home) -> None:
    home.path.write_bytes(b"")


def gone_without_copies(home: Home) -> None:
    home.path.unlink()
    shutil.rmtree(home.path.parent / "backups")


def state_folder_gone(home: Home) -> None:
    shutil.rmtree(home.path.parent)
    home.path.parent.mkdir()


def journal_alone(home: Home) -> None:
    home.memory.unlink()
    gone_without_copies(home)
    journals(home)[0].write_bytes(b"left")


def shared_memory_alone(home: Home) -> None:
    home.memory.unlink()
    gone_without_copies(home)
    journals(home)[1].write_bytes(b"left")


def only_work_folders(home: Home) -> None:
    home.memory.unlink()
    gone_without_copies(home)
    (home.path.parent / "jobs" / "4").mkdir(parents=True)


def one_byte(home: Home) -> None:
    home.path.write_bytes(b"S")


def truncated(home: Home) -> None:
    home.path.write_bytes(home.path.read_bytes()[:6000])


def zeros(home: Home) -> None:
    home.path.write_bytes(bytes(home.path.stat().st_size))


def a_folder(home: Home) -> None:
    home.path.unlink()
    home.path.mkdir()


def a_pipe(home: Home) -> None:
    home.path.unlink()
    os.mkfifo(home.path)


def a_link_to_nowhere(home: Home) -> None:
    home.path.unlink()
    home.path.symlink_to("/nowhere/at/all")


def without_a_table(home: Home) -> None:
    with closing(sqlite3.connect(home.path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DROP TABLE control")


LOSSES = [
    gone, empty, gone_without_copies, state_folder_gone, journal_alone, shared_memory_alone, only_work_folders,
    one_byte, truncated, zeros, a_folder, a_pipe, a_link_to_nowhere, without_a_table,
]  # fmt: skip
NOTHING_LEFT = (gone_without_copies, state_folder_gone, journal_alone, shared_memory_alone, only_work_folders)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(one): one.read_bytes() if one.is_file() else None for one in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_lost_queue_is_asked_about_and_its_numbers_never_come_again(home, lose):
    lose(home)
    before = contents(home.path.parent)
    for _ in range(2):
        with pytest.raises(DatabaseUnusable) as caught:
            home.open()
    assert contents(home.path.parent) == before, "looking changed something"
    copies = set(caught.value.backups)
    start_new(caught.value)
    known = 0 if lose in (journal_alone, shared_memory_alone) else 4 if lose is only_work_folders else 3
    assert home.add() > known
    for day in range(9):
        with open_on(home, day):
            pass
    assert copies <= set(backups(home.path)), "a new queue keeps the copies of the old one"
    assert len(backups(home.path)) == 7 + len(copies)


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_lost_queue_comes_back_from_its_copy_where_there_is_one(home, lose):
    lose(home)
    with pytest.raises(DatabaseUnusable) as caught:
        home.open()
    if lose in NOTHING_LEFT:
        assert caught.value.backups == () and "start a new queue" in str(caught.value)
        return
    (home.path.parent / "jobs" / "9").mkdir(parents=True)
    restore(caught.value, caught.value.backups[0])
    assert home.ids() == [1, 2, 3]
    assert home.add() == 10


def test_an_answer_of_another_window_is_not_undone(home):
    empty(home)
    with pytest.raises(DatabaseUnusable) as caught:
        home.open()
    restore(caught.value, caught.value.backups[0])
    number = home.add()
    assert start_new(caught.value) is None and restore(caught.value, caught.value.backups[0]) is None
    assert number in home.ids()


def open_on(home: Home, day: int):
    return closing(open_store(home.path, memory=home.memory, today=lambda: DAY + timedelta(day)))


def test_an_older_copy_put_back_by_hand_counts_on(home):
    for number in range(3):
        with open_on(home, number) as store:
            store.add(entry(f"later{number}"))
    oldest = backups(home.path)[-1].read_bytes()
    for one in journals(home):
        one.unlink(missing_ok=True)
    home.path.write_bytes(oldest)
    assert home.add() > 6
    with open_on(home, 9):
        pass
    assert "new" in labels_in(backups(home.path)[0]), "what was done after putting it back is the newest"


def test_another_queue_in_its_place_counts_on_and_keeps_the_copies(home, tmp_path):
    other = tmp_path / "other.db"
    fill(other, "x")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {label for copy in backups(home.path) for label in labels_in(copy)}
    for one in journals(home):
        one.unlink(missing_ok=True)
    home.path.write_bytes(other.read_bytes())
    assert home.add() > 3
    for day in range(20):
        with open_on(home, day):
            pass
    assert before <= {label for copy in backups(home.path) for label in labels_in(copy)}


def test_a_new_queue_after_a_lost_one_does_not_use_the_numbers_of_films_that_are_there(home):
    folder = home.results / "talking_avatar"
    folder.mkdir(parents=True)
    (folder / "20260101-120000-41-name-seed7.mp4").write_bytes(b"")
    (home.results / "20260101-120000-12-name.mp4").write_bytes(b"")
    (home.results / "20260101-120000-99999999999-name.mp4").write_bytes(b"")
    state_folder_gone(home)
    with pytest.raises(DatabaseUnusable) as caught:
        home.open()
    start_new(caught.value)
    assert home.add() == 42


def test_where_no_queue_has_been_nothing_is_asked(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "live").mkdir()
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "20260101-120000-41-name.mp4").write_bytes(b"")
    where = {"memory": tmp_path / "queue.json", "results": tmp_path / "result"}
    with closing(open_store(tmp_path / "queue.db", **where)) as store:
        assert store.add(entry("first")).id == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 3000, '{"queue": 1}', '{"queue": "x", "copies": [], "last_id": {}, "work": -5}']
)
def test_a_memory_that_cannot_be_read_is_none(home, text):
    home.memory.write_text(text)
    assert home.ids() == [1, 2, 3, 4]


@pytest.mark.parametrize("odd", ["file", "pipe", "folder", "zero"])
def test_odd_things_among_the_copies_keep_nobody_from_the_queue(home, odd):
    folder = home.path.parent / "backups"
    match odd:
        case "file":
            shutil.rmtree(folder)
            folder.write_text("no folder")
        case "pipe":
            os.mkfifo(folder / "queue-000099-x.db")
        case "folder":
            (folder / "queue-000099-x.db").mkdir()
        case "zero":
            (folder / "queue-000099-x.db").symlink_to("/dev/zero")
    with open_on(home, 1):
        pass
    assert home.ids() == [1, 2, 3, 4]

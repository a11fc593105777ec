"""The page that a start shows before the queue is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.film import NewFilm, NewScene
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.store.listing import first_page, first_scene_counts
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})
    folders.create()
    return folders


def test_it_is_what_the_opened_queue_lists_first(folders):
    store = open_store(folders.database)
    store.add_many([entry(str(number)) for number in range(5)])
    done = store.attempts.claim()
    store.attempts.finish(done.id, output="x", suspect="", run_seconds=1)
    assert first_page(folders, 3) == store.list(limit=3)
    assert first_page(folders, 9) == store.list()
    store.close()
    assert [job.label for job in first_page(folders, 9)] == ["1", "2", "3", "4", "0"]


def test_a_job_runs_only_while_its_owner_lives(folders):
    store = open_store(folders.database)
    store.add(entry("a"))
    store.attempts.claim()
    lock = OwnerLock(folders.lock)
    assert lock.acquire()
    assert first_page(folders, 1)[0].state is JobState.RUNNING
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    folders.lock.write_text(f"{child}\n")
    assert first_page(folders, 1)[0].state is JobState.INTERRUPTED
    lock.release()
    store.close()


def test_what_is_no_sound_queue_of_this_version_shows_nothing_and_stays_as_it_is(folders):
    assert first_page(folders, 9) == []
    assert not folders.database.exists()

    folders.database.write_bytes(b"no database at all" * 500)
    assert first_page(folders, 9) == []
    folders.database.unlink()

    with sqlite3.connect(folders.database) as other:
        other.execute("CREATE TABLE jobs (id INTEGER)")
    other.close()
    before = folders.database.read_bytes()
    assert first_page(folders, 9) == []
    assert folders.database.read_bytes() == before
    folders.database.unlink()

    store = open_store(folders.database)
    store.add(entry("a"))
    store.close()
    with sqlite3.connect(folders.database) as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()
    assert first_page(folders, 9) == []


def test_scenes_without_a_job_count(folders):
    assert first_scene_counts(folders) == {}, "no queue yet"
    store = open_store(folders.database)
    scenes = tuple(NewScene(entry(str(number)).request) for number in range(6))
    store.films.create(NewFilm("ep", scenes=scenes), NewFilm("begun"))
    store.add_many([entry("x", batch="other"), entry("alone")])
    assert first_scene_counts(folders) == store.films.scene_counts() == {"ep": 6, "other": 1}
    store.close()
    folders.database.write_bytes(b"no queue")
    assert first_scene_counts(folders) == {}

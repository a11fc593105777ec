"""Films in the queue's file: batches are films, retries are takes, old queues have them too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from skyreels_tui.queue.errors import DatabaseUnusable, NoSuchFilm, NoSuchJob, QueueError
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.store import Store
from tests.queue.conftest import entry

OLD = {1: ("result_dir",), 2: ("result_dir",), 3: ()}
"""Schema version -> columns of `jobs` that it lacks."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(open_store(path)) as opened:
        yield opened


def takes(film: Film) -> list[list[int]]:
    return [[take.id for take in scene.takes] for scene in film.scenes]


def end(store: Store, job_id: int, *, well: bool = True) -> None:
    claimed = store.attempts.claim([job_id])
    assert claimed is not None
    if well:
        store.attempts.finish(job_id, output=f"/r/{job_id}.mp4", suspect="", run_seconds=1.0)
    else:
        store.attempts.fail(job_id, error="it broke", run_seconds=1.0)


def test_a_batch_is_a_film_and_what_has_none_is_in_none(store: Store) -> None:
    store.add_many([entry("a", batch="one"), entry("b", batch="one"), entry("c"), entry("d", batch="two")])
    store.add(entry("e", batch="one"))
    assert [(film.name, takes(film)) for film in store.films.list()] == [("two", [[4]]), ("one", [[1], [2], [5]])]
    assert store.films.get("one") == store.films.list()[1]


def test_a_retry_is_a_take_of_its_scene_and_a_duplicate_a_scene(store: Store) -> None:
    store.add_many([entry("a", batch="one"), entry("b", batch="one")])
    store.cancel(1)
    store.retry(1)
    store.cancel(3)
    store.retry(3)
    store.duplicate(2, [7])
    assert takes(store.films.get("one")) == [[1, 3, 4], [2], [5]]


def test_scenes_stand_in_the_order_of_the_queue(store: Store) -> None:
    store.add_many([entry(name, batch="one") for name in "abc"])
    store.move_to(3, 0)
    assert takes(store.films.get("one")) == [[3], [1], [2]]


def test_a_scene_stands_where_its_takes_stand(store: Store) -> None:
    store.add_many([entry(name, batch="one") for name in "abc"])
    end(store, 1)
    end(store, 2, well=False)
    film = store.films.get("one")
    assert film.counts == {JobState.DONE: 1, JobState.FAILED: 1, JobState.QUEUED: 1}
    # Another take of a scene that has one takes nothing away.
    store.retry(1)
    end(store, 4, well=False)
    film = store.films.get("one")
    assert film.scenes[0].chosen is not None and film.scenes[0].chosen.id == 1
    assert film.counts[JobState.DONE] == 1


def test_the_newest_finished_take_is_chosen_until_a_person_chooses(path: Path) -> None:
    with closing(open_store(path)) as store:
        store.add(entry("a", batch="one"))
        for job_id in (1, 2, 3):
            if job_id > 1:
                store.retry(job_id - 1)
            end(store, job_id)
        assert [scene.shown.id for scene in store.films.get("one").scenes] == [3]
        store.films.choose([2])
    with closing(open_store(path)) as store:
        [scene] = store.films.get("one").scenes
        assert scene.chosen is not None and scene.chosen.id == 2
        # What was chosen and then deleted leaves the place to the newest one, and takes it again.
        store.delete(2)
        assert [scene.shown.id for scene in store.films.get("one").scenes] == [3]
        store.undelete(2)
        assert [scene.shown.id for scene in store.films.get("one").scenes] == [2]


def test_what_cannot_be_chosen_is_refused_and_nothing_of_it_is_done(store: Store) -> None:
    store.add_many([entry("a", batch="one"), entry("b", batch="one"), entry("c")])
    end(store, 1)
    end(store, 3)
    store.retry(1)
    end(store, 4)
    for wrong, kind in ((2, QueueError), (3, NoSuchFilm), (99, NoSuchJob)):
        with pytest.raises(kind):
            store.films.choose([1, wrong])
    assert [scene.shown.id for scene in store.films.get("one").scenes] == [4, 2]


def test_deleted_jobs_hide_scene_and_film_and_bring_them_back(store: Store) -> None:
    store.add_many([entry("a", batch="one"), entry("b", batch="one")])
    store.delete(1)
    assert takes(store.films.get("one")) == [[2]]
    store.delete(2)
    assert store.films.list() == []
    with pytest.raises(NoSuchFilm):
        store.films.get("one")
    store.undelete(1)
    assert takes(store.films.get("one")) == [[1]]


@pytest.mark.parametrize("name", ["it's", "a\x1b[31m", "'; DROP TABLE jobs; --", "épisode ❤", " "])
def test_a_name_is_only_text(store: Store, name: str) -> None:
    store.add(entry("a", batch=name))
    assert [film.name for film in store.films.list()] == [name]
    assert takes(store.films.get(name)) == [[1]]


def age(path: Path, version: int) -> None:
    """Turn a queue back to what an older version wrote."""
    with closing(sqlite3.connect(path)) as raw:
        for table in ("takes", "scenes", "films"):
            raw.execute(f"DROP TABLE {table}")
        for column in OLD[version]:
            raw.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        raw.execute(f"PRAGMA user_version = {version}")
        raw.commit()


@pytest.mark.parametrize("version", OLD)
def test_the_batches_of_an_older_queue_become_films(path: Path, version: int) -> None:
    with closing(open_store(path)) as store:
        store.add_many([entry("a", batch="one"), entry("b"), entry("c", batch="two"), entry("d", batch="one")])
        for job_id in (1, 5, 3):
            store.cancel(job_id)
            store.retry(job_id)
        store.delete(4)
        before = store.films.list()
    age(path, version)
    with closing(open_store(path)) as store:
        after = store.films.list()
        assert [film.scenes for film in after] == [film.scenes for film in before]
        assert [(film.name, takes(film)) for film in after] == [("two", [[3, 7]]), ("one", [[1, 5, 6]])]
        # Once is enough, and the queue goes on from there.
        store.add(entry("e", batch="two"))
        assert takes(store.films.get("two")) == [[3, 7], [8]]
        store.undelete(4)
        assert takes(store.films.get("one")) == [[1, 5, 6], [4]]
    with closing(open_store(path)) as store:
        assert len(store.films.list()) == 2


@pytest.mark.parametrize("table", ["films", "scenes", "takes"])
def test_a_queue_that_has_lost_its_films_is_damaged(path: Path, table: str) -> None:
    with closing(open_store(path)) as store:
        store.add(entry("a", batch="one"))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"DROP TABLE {table}")
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(path)
    assert caught.value.kind == "corrupt" and table in str(caught.value)

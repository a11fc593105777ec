"""Films in the queue's file: batches are films, retries are takes, old queues have them too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.front.errors import InvalidRequest
from skyreels_tui.queue.errors import DatabaseUnusable, NoSuchFilm, NoSuchJob, QueueError
from skyreels_tui.queue.film import Film, FilmFacts, NewFilm, NewScene, SceneFacts
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import NONE
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.queue.store.store import Store
from tests.queue.conftest import entry, make_request

OLD = {1: ("result_dir",), 2: ("result_dir",), 3: (), 4: ()}
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


def test_scenes_have_an_order_of_their_own(store: Store) -> None:
    store.add_many([entry(name, batch="one") for name in "abc"])
    store.move_to(3, 0)
    assert takes(store.films.get("one")) == [[1], [2], [3]]
    third = store.films.get("one").scenes[2].id
    assert takes(store.films.move("one", third, 0)) == [[3], [1], [2]]
    assert takes(store.films.move("one", third, 99)) == [[1], [2], [3]]
    store.add(entry("d", batch="one"))
    assert takes(store.films.get("one")) == [[1], [2], [3], [4]]


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
        raw.execute("ALTER TABLE refs DROP COLUMN scene_id")
        if version < 4:
            for table in ("takes", "scenes", "films"):
                raw.execute(f"DROP TABLE {table}")
        else:
            for table, columns in {
                "films": ("project", "facts", "kept"),
                "scenes": ("position", "label", "task_type", "request_json", "facts", "deleted"),
            }.items():
                for column in columns:
                    raw.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
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
        assert [takes(film) for film in after] == [takes(film) for film in before]
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


def test_a_scene_needs_no_job_and_keeps_what_was_written(path: Path) -> None:
    facts = SceneFacts(narration="/a.wav", words="it\u2019s", voice="v", notes="n\n2", kept={"audio_id": [1, None]})
    with closing(open_store(path)) as store:
        store.films.create(NewFilm("one", "projects/p", FilmFacts(title="T", goes_on=True, kept={"x": 1})))
        store.films.add("one", [NewScene(make_request(), "a", facts), NewScene(make_request(), "b")], "")
    with closing(open_store(path)) as store:
        [film] = store.films.list()
        assert (film.project, film.facts) == ("projects/p", FilmFacts(title="T", goes_on=True, kept={"x": 1}))
        assert [scene.label for scene in film.scenes] == ["a", "b"] and film.not_begun == 2 and not film.counts
        assert film.scenes[0].facts == facts and film.scenes[0].request == make_request()
        assert store.list() == []
        with pytest.raises(QueueError):
            store.films.create(NewFilm("one"))


def test_a_clip_that_is_there_is_a_finished_take(store: Store) -> None:
    store.films.create(NewFilm("one", scenes=(NewScene(make_request(), "a", output="/clips/a.mp4"),)))
    [scene] = store.films.get("one").scenes
    assert scene.chosen is not None and scene.chosen.output == "/clips/a.mp4"
    assert scene.chosen.state is JobState.DONE and scene.chosen.finished_at


PREV = ("{{prev}}",)


def meant(store: Store, job_id: int) -> list[int]:
    """The jobs that a job refers to."""
    return sorted(set(store.needed_by(job_id)) - {job_id})


def chain(store: Store, *, goes_on: bool = False) -> None:
    """Three scenes of one film, each going on from the one before; the jobs are 1, 2, 3."""
    store.films.create(NewFilm("one", facts=FilmFacts(goes_on=goes_on)))
    store.add_many(
        [entry("a", batch="one"), entry("b", batch="one", ref_imgs=PREV), entry("c", batch="one", ref_imgs=PREV)]
    )


def test_the_first_scene_never_goes_on_from_a_job_that_stands_before_it_in_the_queue(store: Store) -> None:
    store.add(entry("somebody else's"))
    with pytest.raises(InvalidRequest) as refused:
        store.add(entry("a", batch="one", ref_imgs=PREV))
    [problem] = refused.value.problems
    assert problem.field == "ref_imgs" and "no scene stands before this one" in problem.message
    assert [job.label for job in store.list()] == ["somebody else's"]
    store.add(entry("a", batch="one", ref_imgs=("{{job:somebody else's}}",)))
    assert meant(store, 2) == [1]


def test_prev_is_the_chosen_take_of_the_scene_before(store: Store) -> None:
    chain(store)
    end(store, 1)
    assert meant(store, 2) == [1]
    store.retry(1)
    assert meant(store, 2) == [1], "what is being made anew takes nothing away"
    end(store, 4)
    assert meant(store, 2) == [4]
    store.films.choose([1])
    assert store.resolved(store.get(2)).request.ref_imgs == ("/r/1.mp4",)
    assert store.get(2).state is JobState.QUEUED and store.get(3).state is JobState.BLOCKED


def test_a_job_that_has_begun_keeps_the_take_it_was_begun_with(store: Store) -> None:
    chain(store)
    end(store, 1)
    store.retry(1)
    claimed = store.attempts.claim([2])
    assert claimed is not None
    store.attempts.update_step(2, stage="denoise", step=2, num_steps=8, segment=0, num_segments=1, run_seconds=1.0)
    store.attempts.requeue(2, reason=NONE, run_seconds=1.0)
    end(store, 4)
    assert meant(store, 2) == [1]


def test_after_a_failure_a_film_stands_still_or_goes_on(store: Store) -> None:
    chain(store)
    end(store, 1)
    end(store, 2, well=False)
    assert store.get(3).state is JobState.BLOCKED
    film = store.films.set("one", facts=FilmFacts(goes_on=True))
    assert film.facts.goes_on and store.get(3).state is JobState.QUEUED
    assert store.resolved(store.get(3)).request.ref_imgs == ("/r/1.mp4",)
    store.films.set("one", facts=FilmFacts())
    assert store.get(3).state is JobState.BLOCKED
    store.retry(2)
    end(store, 4)
    assert store.resolved(store.get(3)).request.ref_imgs == ("/r/4.mp4",)


def test_a_film_that_goes_on_does_so_when_a_scene_fails(store: Store) -> None:
    chain(store, goes_on=True)
    end(store, 1)
    end(store, 2, well=False)
    assert store.get(3).state is JobState.QUEUED
    assert store.resolved(store.get(3)).request.ref_imgs == ("/r/1.mp4",)


def test_moved_scenes_go_on_from_what_stands_before_them_now(store: Store) -> None:
    chain(store)
    store.add(entry("d", batch="one"))
    last = store.films.get("one").scenes[3].id
    store.films.move("one", last, 1)
    assert meant(store, 2) == [4] and meant(store, 3) == [2, 4]


def test_a_removed_scene_takes_its_jobs_along_and_brings_them_back(store: Store) -> None:
    chain(store)
    store.retry(store.cancel(1).id)
    store.delete(1)
    first = store.films.get("one").scenes[0].id
    store.films.remove("one", [first])
    assert takes(store.films.get("one")) == [[2], [3]] and [job.id for job in store.list()] == [2, 3]
    assert store.films.hidden("one") == [first]
    store.films.restore("one", [first])
    assert takes(store.films.get("one")) == [[4], [2], [3]], "what was deleted before stays deleted"
    store.attempts.claim([4])
    with pytest.raises(QueueError):
        store.films.remove("one", [first])
    assert takes(store.films.get("one")) == [[4], [2], [3]]


def test_a_label_means_the_scene_of_that_name_in_the_same_film(store: Store) -> None:
    for film in ("one", "two"):
        store.films.create(NewFilm(film, scenes=(NewScene(make_request(), "hero"), NewScene(make_request(), "b"))))
        for scene in store.films.get(film).scenes:
            refs = {"ref_imgs": ("{{job:hero}}",)} if scene.label == "b" else {}
            store.add_many([NewJob(make_request(**refs), scene.label, film, scene=scene.id)])
    assert meant(store, 2) == [1] and meant(store, 4) == [3]
    assert takes(store.films.get("two")) == [[3], [4]]


def test_what_refers_to_a_scene_without_a_take_is_refused(store: Store) -> None:
    store.films.create(NewFilm("one", scenes=(NewScene(make_request(), "a"), NewScene(make_request(), "b"))))
    scene = store.films.get("one").scenes[1]
    store.add(entry("elsewhere"))
    with pytest.raises(InvalidRequest) as caught:
        store.add_many([NewJob(make_request(ref_imgs=PREV), "b", "one", scene=scene.id)])
    assert caught.value.problems[0].field == "ref_imgs" and len(store.list()) == 1

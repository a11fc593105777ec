"""One odd row hides nothing: the rest is shown and runs, the odd one says what is wrong with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from pipelines.front.errors import InvalidRequest
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.store.listing import first_page
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry

ODD = {
    "unknown state": "state = 'weird'",
    "state of markup": "state = '[red]x[/]' || char(27) || '[2J'",
    "no state": "state = ''",
    "state of bytes": "state = x'ff00'",
    "unknown task": "task_type = 'weird'",
    "no task": "task_type = ''",
    "broken JSON": "request_json = '{bad'",
    "no JSON": "request_json = ''",
    "JSON of a list": "request_json = '[1]'",
    "JSON of a number": "request_json = '1'",
    "deep JSON": "request_json = replace(hex(zeroblob(50000)), '0', '[')",
    "unknown field": "request_json = json_set(request_json, '$.newfield', 3)",
    "bytes as request": "request_json = x'ff00'",
    "number as request": "request_json = 7",
}
ODD_VALUES = {
    "time that is none": "created_at = 'not a time', started_at = 'x', finished_at = 'y'",
    "step of words": "step = 'x', num_steps = 'y', attempts = 'z'",
    "position of words": "position = 'x'",
    "label of bytes": "label = x'ff00'",
    "label of a number": "label = 7",
    "reason that is none": "reason = '{bad'",
    "reason of a list": "reason = '[1, 2]'",
    "endless seconds": "run_seconds = 9e999",
    "number of another": "retry_of = 'x'",
}


def spoil(path, assignment: str, job_id: int = 2) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE jobs SET {assignment} WHERE id = ?", (job_id,))
        connection.commit()


@pytest.fixture
def folders(tmp_path):
    found = find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})
    found.create()
    with closing(open_store(found.database)) as store:
        store.add_many([entry(name) for name in ("a", "b", "c")])
    return found


@pytest.mark.parametrize("assignment", ODD.values(), ids=ODD)
def test_an_odd_row_fails_in_words_and_the_rest_goes_on(folders, assignment):
    spoil(folders.database, assignment)
    assert sorted(job.id for job in first_page(folders, 10)) == [1, 2, 3], "read without opening"
    with closing(open_store(folders.database)) as store:
        odd = store.get(2)
        assert odd.state is JobState.FAILED and "cannot be read" in odd.error
        assert "\x1b" not in odd.error
        assert odd.short and odd.title
        assert sorted(job.id for job in store.list()) == [1, 2, 3]
        assert [job.id for job in (store.attempts.claim(), store.next_queued()) if job is not None] == [1, 3]
        assert store.delete(2).deleted
    with closing(open_store(folders.database)) as store:
        assert sorted(job.id for job in store.list()) == [1, 3]


@pytest.mark.parametrize("assignment", ODD.values(), ids=ODD)
def test_a_finished_row_that_cannot_be_read_is_shown(folders, assignment):
    spoil(
        folders.database,
        f"state = 'done', finished_at = 'x', {assignment}" if "state" not in assignment else assignment,
    )
    with closing(open_store(folders.database)) as store:
        odd = store.get(2)
        assert odd in store.list() and odd.short and odd.title
        try:
            retried = store.retry(2)
        except InvalidRequest as error:
            assert "job 2" in str(error)
        else:
            assert retried.request == store.get(1).request or retried.request


@pytest.mark.parametrize("assignment", ODD_VALUES.values(), ids=ODD_VALUES)
def test_an_odd_value_is_read_as_what_the_column_holds(folders, assignment):
    spoil(folders.database, assignment)
    with closing(open_store(folders.database)) as store:
        assert sorted(job.id for job in store.list()) == [1, 2, 3]
        odd = store.get(2)
        assert isinstance(odd.step, int) and isinstance(odd.position, float) and isinstance(odd.label, str)
        assert str(odd.reason) is not None
        store.cancel(1)
        store.run_next(2)
        claimed = store.attempts.claim()
        assert claimed is not None and claimed.id == 2 and claimed.output_stem


def test_a_sound_queue_is_not_written_to(folders):
    with closing(open_store(folders.database)):
        pass
    before = [one.stat().st_mtime_ns for one in folders.state.glob("queue.db*")]
    with closing(open_store(folders.database)) as store:
        version = store.foreign_version()
        assert store.list()
        assert store.foreign_version() == version
    assert [one.stat().st_mtime_ns for one in folders.state.glob("queue.db")] == before[:1]

"""A queue in a folder that cannot be written: it is read, and every change is refused with the cause."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.errors import QueueTrouble, Trouble
from skyreels_tui.queue.store.listing import first_page
from skyreels_tui.queue.store.migrations import SCHEMA_VERSION
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.reader import RowReader
from skyreels_tui.queue.store.store import Store
from tests.queue.conftest import entry
from tests.rights import read_only

_WRITER = """
import os, sys
from pathlib import Path
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry
store = open_store(Path(sys.argv[1]))
for label in ("a", "b"):
    store.add(entry(label, held=True))
print("written", flush=True)
sys.stdin.readline()
os._exit(0)
"""


@contextmanager
def written_by_another(database: Path, *, goes_on: bool) -> Iterator[None]:
    """Another process has added two jobs and has the queue open still, or was killed over it."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "written\n"
        if not goes_on:
            other.kill()
            other.wait()
        try:
            yield
        finally:
            other.kill()


@pytest.fixture(scope="module", params=["closed", "killed", "open elsewhere"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    """A home with two jobs, which no test can change."""
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path_factory.mktemp("written") / "home")})
    folders.create()
    if request.param == "closed":
        with closing(open_store(folders.database)) as store:
            store.add_many([entry("a", held=True), entry("b", held=True)])
        assert not folders.database.with_name("queue.db-wal").exists()
        yield folders
        return
    with written_by_another(folders.database, goes_on=request.param == "open elsewhere"):
        assert folders.database.with_name("queue.db-wal").stat().st_size
        yield folders


@pytest.fixture
def shut(written: Folders, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """That home, in which nothing can be written."""
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(written.state.parent))
    with read_only(written.state.parent):
        yield written


CHANGES: dict[str, Callable[[Store], object]] = {
    "add": lambda store: store.add(entry("c")),
    "move": lambda store: store.move(2, -1),
    "delete": lambda store: store.delete(1),
    "rename": lambda store: store.rename(1, "x"),
    "release": lambda store: store.release(1),
    "claim": lambda store: store.attempts.claim(),
    "pause": lambda store: store.set_control("paused", "1"),
}


def test_it_is_read_and_every_change_is_refused_with_the_cause(shut: Folders) -> None:
    with closing(open_store(shut.database, or_read=True)) as store:
        assert store.read_only
        assert [job.label for job in store.list()] == ["a", "b"]
        for change in CHANGES.values():
            with pytest.raises(QueueTrouble, match="the queue cannot be written") as refused:
                change(store)
            assert refused.value.trouble is Trouble.READ_ONLY
        assert [job.label for job in store.list()] == ["a", "b"]
    with pytest.raises(QueueTrouble, match="the queue cannot be written"):
        open_store(shut.database)


def test_the_first_page_and_another_s_rows_are_read(shut: Folders) -> None:
    assert [job.label for job in first_page(shut, 9)] == ["a", "b"]
    with closing(RowReader(shut.database)) as reader:
        assert [job.label for job in reader.rows() or ()] == ["a", "b"]


READING = ["list", "list --json", "list --all", "show 1", "show 2 --json", "export", "film", "results", "estimate 1"]
CHANGING = ["hold 1", "release 1", "cancel 1", "delete 1", "move 2 first", "pause", "duplicate 1", "edit 1 --seed 7"]


@pytest.mark.parametrize("words", [*READING[:-1], *CHANGING, "run"])
def test_commands_that_read_work_and_those_that_change_say_why_not(
    words: str, shut: Folders, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(words.split(), executor=FakeExecutor)
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    if words in READING:
        assert code == 0, err
        assert "cannot be written" not in err
    else:
        assert (code, out) == (1, "")
        assert "the queue cannot be written" in err and "make the folder writable" in err


@pytest.mark.parametrize("kind", ["none", "older", "garbage"])
def test_what_cannot_be_read_either_is_refused_as_before(kind: str, folders: Folders) -> None:
    folders.create()
    if kind == "garbage":
        folders.database.write_bytes(b"garbage" * 3000)
    elif kind == "older":
        import sqlite3

        open_store(folders.database).close()
        with closing(sqlite3.connect(folders.database)) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    with read_only(folders.state.parent), pytest.raises(Exception, match=r"cannot be written|is damaged") as refused:
        open_store(folders.database, or_read=True)
    assert "queue.db" in str(refused.value)

"""A queue that cannot be read: the screen says so, and nothing changes before an answer."""

from contextlib import ExitStack

import pytest

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.settings.settings import Settings
from tests.rights import read_only
from tests.ui.conftest import Session

GARBAGE = b"this is no database, it is what a broken disk left"


@pytest.fixture
def folders(tmp_path):
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})
    folders.create()
    return folders


def app_over(folders, tmp_path):
    executor = FakeExecutor()
    return SkyreelsApp(Services(folders, Settings(), tmp_path / "result", lambda: executor)), executor


def shown(app):
    return "\n".join(str(widget.render()) for widget in app.screen.query("Static"))


async def test_without_a_copy_a_new_queue_keeps_the_bad_file(folders, tmp_path):
    folders.database.write_bytes(GARBAGE)
    app, executor = app_over(folders, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        session = Session(app, pilot, executor)
        await session.until(lambda: type(app.screen).__name__ == "UnusableScreen", "the question")
        assert "It is damaged" in shown(app)
        assert "last good copy" not in shown(app)
        assert folders.database.read_bytes() == GARBAGE
        await pilot.press("n")
        await session.until(lambda: app.service is not None and app.service.status().engine != "off", "the engine")
    app.service.close()
    assert [path for path in folders.state.iterdir() if path.is_file() and path.read_bytes() == GARBAGE]


async def test_the_last_good_copy_brings_the_jobs_back(folders, tmp_path):
    store = open_store(folders.database)
    store.add(NewJob(ReferenceToVideo(prompt="kept"), label="kept job", held=True))
    store.close()
    # Opening a queue makes the day's copy.
    open_store(folders.database).close()
    folders.database.write_bytes(GARBAGE)
    app, executor = app_over(folders, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        session = Session(app, pilot, executor)
        await session.until(lambda: type(app.screen).__name__ == "UnusableScreen", "the question")
        await pilot.press("r")
        await session.until(lambda: any(job.label == "kept job" for job in app.board.jobs), "the job")
        await session.until(lambda: app.service is not None and app.service.status().engine != "off", "the engine")
    app.service.close()


async def test_leaving_changes_nothing(folders, tmp_path):
    folders.database.write_bytes(GARBAGE)
    app, executor = app_over(folders, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        session = Session(app, pilot, executor)
        await session.until(lambda: type(app.screen).__name__ == "UnusableScreen", "the question")
        await pilot.press("q")
    assert app.return_code == 1
    assert folders.database.read_bytes() == GARBAGE


@pytest.mark.parametrize("empty", [True, False])
async def test_a_queue_that_has_gone_is_asked_about(folders, tmp_path, empty):
    store = open_store(folders.database)
    store.add(NewJob(ReferenceToVideo(prompt="kept"), label="kept job", held=True))
    store.close()
    open_store(folders.database).close()
    for path in folders.state.glob("queue.db*"):
        path.unlink()
    if empty:
        folders.database.write_bytes(b"")
    app, executor = app_over(folders, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        session = Session(app, pilot, executor)
        await session.until(lambda: type(app.screen).__name__ == "UnusableScreen", "the question")
        assert "there has been a queue" in shown(app)
        assert folders.database.exists() is empty
        await pilot.press("r")
        await session.until(lambda: any(job.label == "kept job" for job in app.board.jobs), "the job")
        await session.until(lambda: app.service is not None and app.service.status().engine != "off", "the engine")
    app.service.close()


async def test_a_queue_that_cannot_be_written_is_shown_and_opened_as_soon_as_it_can_be(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("skyreels_tui.app.app.OPEN_AGAIN_S", 0.1)
    store = open_store(folders.database)
    store.add(NewJob(ReferenceToVideo(prompt="kept"), label="kept job", held=True))
    store.close()
    app, executor = app_over(folders, tmp_path)
    with ExitStack() as shut:
        shut.enter_context(read_only(tmp_path / "home"))
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            session = Session(app, pilot, executor)
            await session.shows("the queue cannot be opened")
            await session.shows("kept job")
            shut.close()
            await session.until(lambda: app.service is not None and app.service.status().engine != "off", "the engine")
            await session.shows("kept job")
    app.service.close()

"""Keys that come while the first page is shown and the queue is still being opened: none is lost."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager

import pytest

from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.settings import Settings
from tests.ui.conftest import Session


class SlowDisk(Services):
    """The real services; the queue opens when the gate does."""

    gate: threading.Event

    def open_queue(self, *args, **kwargs):
        self.gate.wait()
        return super().open_queue(*args, **kwargs)


@pytest.fixture
def opening(start, tmp_path):
    """An app that shows three stored jobs, the first of them held, and whose queue is not open yet."""

    @asynccontextmanager
    async def run():
        async with start(gated=True) as s:
            s.app.service.actions.pause()
            jobs = [s.add(name) for name in ("alpha", "beta", "gamma")]
        executor = FakeExecutor()
        folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})
        services = SlowDisk(folders, Settings(), tmp_path / "result", lambda: executor)
        services.gate = threading.Event()
        app = SkyreelsApp(services, theme="night")
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            s = Session(app, pilot, executor)
            try:
                await s.shows("gamma")
                assert app.service is None and "another window" not in s.text
                yield s, jobs, services.gate
            finally:
                services.gate.set()
                await s.until(lambda: app.service is not None)
        app.service.close()

    return run


async def test_what_was_asked_for_is_carried_out_in_its_order_once_it_is_open(opening):
    async with opening() as (s, (alpha, beta, gamma), gate):
        await s.press("j", "J", "space", "g", "x")
        await s.shows("not stored yet")
        gate.set()
        await s.until(lambda: s.app.service is not None and s.state(alpha.id) is JobState.CANCELLED)
        assert s.state(beta.id) is JobState.HELD
        waiting = [job.id for job in s.app.service.jobs(include_finished=False)]
        assert waiting == [gamma.id, beta.id]
        await s.until(lambda: "not stored yet" not in s.text)


async def test_a_form_that_is_submitted_before_is_queued_once(opening):
    async with opening() as (s, (alpha, *_), gate):
        await s.press("a")
        await s.shows("Prompt")
        await s.press("ctrl+s")
        await s.until(lambda: s.app.controller.early == 1)
        gate.set()
        await s.until(lambda: s.app.service is not None and len(s.app.service.jobs()) == 4)
        assert sum(job.request == alpha.request for job in s.app.service.jobs()) == 4


async def test_leaving_before_it_is_open_asks(opening):
    async with opening() as (s, (alpha, *_), gate):
        await s.press("x", "q")
        await s.shows("1 change waits for the queue to open")
        await s.press("escape")
        gate.set()
        await s.until(lambda: s.app.service is not None and s.state(alpha.id) is JobState.CANCELLED)

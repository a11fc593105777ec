"""The whole app over a queue whose file another process has locked: no key ends it, nothing waits, nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from skyreels_tui.queue.model import JobState
from tests.queue.holding import held_by_another_process


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("skyreels_tui.app.changes.RETRY_S", 0.1)
    # What is said stays to be read, however slow the machine.
    monkeypatch.setattr("skyreels_tui.app.app.SkyreelsApp.NOTIFICATION_TIMEOUT", 600)


def told(s) -> list[str]:
    """Every notice that says that a change is kept."""
    return [notice.message for notice in s.app._notifications if "Your change is kept" in notice.message]


class Pulse:
    """How long the event loop was deaf at worst while the block ran."""

    async def __aenter__(self):
        self.worst_s, self._going = 0.0, True
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_):
        self._going = False
        await self._task

    async def _beat(self):
        while self._going:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.worst_s = max(self.worst_s, time.monotonic() - before)


async def test_keys_are_answered_kept_and_carried_out_in_their_order(start):
    async with start(gated=True) as s:
        jobs = [s.add(name, num_inference_steps=2) for name in ("runs", "b", "c", "d")]
        await s.until(lambda: s.state(jobs[0].id) is JobState.RUNNING)
        await s.shows("d ")
        database = s.app.services.folders.database
        # Starting and ending the other process holds the loop up: that is the test's own doing.
        with held_by_another_process(database):
            async with Pulse() as pulse:
                await s.press("G", "space", "up", "x", "up", "d", "p")
                await s.shows("not stored yet")
                await s.press("question_mark")
                await s.shows("type to search")
                await s.press("escape")
                assert s.state(jobs[3].id) is JobState.QUEUED, "nothing was changed yet"
                assert len(told(s)) == 1 and "busy" in told(s)[0], "said once"
        assert pulse.worst_s < 1.5, "the screen waits for no lock"
        await s.until(lambda: s.state(jobs[3].id) is JobState.HELD)
        await s.until(lambda: s.state(jobs[2].id) is JobState.CANCELLED)
        await s.until(lambda: s.job(jobs[1].id).deleted)
        await s.until(lambda: s.app.service.status().pause == "after_job")
        await s.until(lambda: "not stored yet" not in s.text)
        s.executor.open_gate()
        await s.until(lambda: s.state(jobs[0].id) is JobState.DONE, "the running job went on")


async def test_a_form_that_is_submitted_meanwhile_is_queued_once(start):
    async with start(gated=True) as s:
        job = s.add("first")
        await s.shows("first")
        await s.press("a")
        await s.shows("Prompt")
        with held_by_another_process(s.app.services.folders.database):
            await s.press("ctrl+s")
            await s.until(lambda: told(s))
        await s.until(lambda: len(s.app.service.jobs()) == 2)
        assert {one.request for one in s.app.service.jobs()} == {job.request}


async def test_the_app_opens_although_the_file_is_locked_and_runs_the_queue_later(start, tmp_path, monkeypatch):
    monkeypatch.setattr("skyreels_tui.app.app.CHANGE_PATIENCE_S", 0.1)
    async with start() as s:
        folders = s.app.services.folders
    held = held_by_another_process(folders.database)
    held.__enter__()

    async def release_once_it_was_said() -> None:
        log = folders.logs / "engine.log"
        while "cannot run the queue yet" not in (log.read_text() if log.exists() else ""):
            await asyncio.sleep(0.01)
        held.__exit__(None, None, None)

    released = asyncio.create_task(release_once_it_was_said())
    async with start() as s:
        assert released.done(), "it was open before it could run anything"
        job = s.add("later")
        await s.until(lambda: s.state(job.id) is JobState.DONE)


async def test_what_could_not_be_stored_is_said_when_leaving(start, monkeypatch):
    monkeypatch.setattr("skyreels_tui.app.app.CHANGE_PATIENCE_S", 0.1)
    async with start(gated=True) as s:
        job = s.add("one")
        await s.until(lambda: s.state(job.id) is JobState.RUNNING)
        with held_by_another_process(s.app.services.folders.database):
            await s.press("p")
            await s.shows("not stored yet")
            assert await asyncio.to_thread(s.app.controller.changes.close) == 1

"""Leaving: nothing running leaves at once; a running job is asked about and never lost."""

from __future__ import annotations

import threading

import pytest

from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.settings import Settings


async def test_leaving_an_idle_app_asks_nothing(start):
    async with start() as s:
        await s.press("q")
        await s.until(lambda: not s.app.is_running)


async def test_a_running_job_stops_at_its_step_and_goes_on_next_time(start):
    async with start(gated=True) as s:
        job = s.add("long one")
        s.executor.advance(3)
        await s.shows("● 3/8")
        await s.press("ctrl+q")
        await s.shows("Job 1 is running")
        await s.press("escape")
        await s.until(lambda: "Job 1 is running" not in s.text)
        await s.press("ctrl+q")
        await s.shows("stop at the next step")
        await s.press("s")
        s.executor.advance(1)
        await s.until(lambda: not s.app.is_running)
    async with start(gated=True) as s:
        await s.shows("interrupted")
        assert s.state(job.id) is JobState.INTERRUPTED
        assert s.footer.startswith(" r Resume  n New") and "Retry" not in s.footer
        await s.press("r")
        s.executor.open_gate()
        await s.until(lambda: s.state(job.id) is JobState.DONE)


@pytest.mark.parametrize(
    ("hang_up", "until"),
    [
        ("finish_job", "until this job is done"),
        ("finish_queue", "until the queue is empty"),
        ("stop", "until the queue"),
    ],
)
async def test_the_background_says_what_it_will_finish_and_leaves_the_job_running(start, tmp_path, hang_up, until):
    settings = tmp_path / "home" / "config" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'hang_up = "{hang_up}"\n')
    async with start(gated=True, settings=Settings(hang_up=hang_up)) as s:
        s.add("long one")
        await s.shows("● 0/8")
        await s.press("q")
        await s.shows(f"go on in the background {until}")
        await s.press("b")
        await s.until(lambda: not s.app.is_running)
        assert s.app.quitting.choice == "background"
        assert s.state(1) is JobState.RUNNING


async def test_a_stop_says_so_in_the_box_and_in_the_first_line(start):
    async with start((120, 36), script=Script(step_s=60)) as s:
        s.add("long one")
        await s.shows("1 denoise 0/8")
        await s.press("q")
        await s.shows("Job 1 is running")
        await s.press("s")
        await s.until(lambda: s.text.count("stopping at the next step") >= 2)
        assert "stopping at the next step" in s.text.splitlines()[0]
        s.executor.close()
        await s.until(lambda: not s.app.is_running)


async def test_the_first_line_says_that_the_engine_loads_and_for_how_long(start, monkeypatch):
    loads, go = threading.Event(), threading.Event()

    def warm_up(self):
        loads.set()
        go.wait(20)

    monkeypatch.setattr(FakeExecutor, "warm_up", warm_up)
    async with start((120, 36)) as s:
        job = s.add("first")
        await s.until(loads.is_set)
        await s.until(lambda: "loading the engine" in s.text.splitlines()[0])
        await s.until(lambda: s.text.count("loading the engine") >= 2 and "nothing is running" not in s.text)
        await s.shows("loading the engine 1 s")
        go.set()
        await s.until(lambda: s.state(job.id) is JobState.DONE)
        await s.until(lambda: "loading the engine" not in s.text)


async def test_finishing_without_a_screen_leaves_the_job_running(start):
    async with start(gated=True) as s:
        s.add("long one")
        await s.until(lambda: s.app.board.running is not None)
        await s.press("ctrl+q")
        await s.shows("finish the job in this terminal")
        await s.press("f")
        await s.until(lambda: not s.app.is_running)
        assert s.app.quitting.choice == "finish"
        assert s.state(1) is JobState.RUNNING


async def test_a_job_that_ends_while_the_question_stands_answers_it(start):
    async with start(gated=True) as s:
        s.add("short one")
        await s.until(lambda: s.app.board.running is not None)
        await s.press("ctrl+q")
        await s.shows("Job 1 is running")
        s.executor.open_gate()
        await s.until(lambda: not s.app.is_running)
        assert s.state(1) is JobState.DONE


async def test_a_changed_input_asks_and_one_key_starts_from_step_0(start, tmp_path):
    from pathlib import Path

    from tests.queue.conftest import PICTURE, make_request

    mine = tmp_path / "mine.jpg"
    mine.write_bytes(Path(PICTURE).read_bytes())
    async with start(gated=True) as s:
        job = s.app.service.actions.add(make_request(ref_imgs=(str(mine),)), label="changed")
        s.executor.advance(2)
        await s.until(lambda: s.app.service.job(job.id).step == 2)
        s.app.service.actions.stop_job()
        await s.until(lambda: s.state(job.id) is JobState.INTERRUPTED)
        mine.write_bytes((Path(PICTURE).parent / "coffee.jpg").read_bytes())
        await s.press("r")
        await s.until(lambda: s.state(job.id) is JobState.HELD)
        assert "has changed" in str(s.app.service.job(job.id).reason)
        s.executor.open_gate()
        await s.until(lambda: s.app.board.get(job.id).state is JobState.HELD)
        await s.press("r")
        await s.until(lambda: s.state(job.id) is JobState.DONE)


async def test_ctrl_z_never_stops_a_running_job_and_says_so_where_there_is_no_shell(start):
    async with start(gated=True) as s:
        await s.press("ctrl+z")
        await s.shows("no shell here")
        s.app.clear_notifications()
        job = s.add("long")
        await s.until(lambda: s.app.board.running is not None)
        await s.press("ctrl+z")
        await s.shows("q, then f")
        s.executor.open_gate()
        await s.until(lambda: s.state(job.id).value == "done")

"""Leaving: nothing running leaves at once; a running job is asked about and never lost."""

from __future__ import annotations

from skyreels_tui.queue.model import JobState


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


async def test_finishing_without_a_screen_leaves_the_job_running(start):
    async with start(gated=True) as s:
        s.add("long one")
        await s.shows("● ")
        await s.press("ctrl+q")
        await s.shows("finish the job in this terminal")
        await s.press("f")
        await s.until(lambda: not s.app.is_running)
        assert s.app.quitting.choice == "finish"
        assert s.state(1) is JobState.RUNNING


async def test_a_job_that_ends_while_the_question_stands_answers_it(start):
    async with start(gated=True) as s:
        s.add("short one")
        await s.shows("● ")
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

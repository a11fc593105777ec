"""The time left of the running job comes from one place and goes by between two reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.eta.running import RunningTimes
from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.pace import Pace
from skyreels_tui.ui.panels.progress import ProgressPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.dialogs.leave import LeaveScreen
from skyreels_tui.ui.screens.home.job import JobScreen
from skyreels_tui.words.times import duration
from tests.live.test_panels import OnePanel, progress, running

LEFT_S = 842.0


def report(job_id: int = 12, left_s: float | None = LEFT_S) -> JobProgress:
    return JobProgress(job_id, Progress(Stage.DENOISE, 1, 8), 60.0, left_s=left_s)


def test_the_times_go_by_until_the_next_report() -> None:
    now = [5.0]
    times = RunningTimes(lambda: now[0])
    assert (times.left_s(12), times.elapsed_s(12), times.since_s(12)) == (None, None, 0.0)
    first = report()
    times.hear([first])
    now[0] += 100
    times.hear([first])
    assert (times.left_s(12), times.elapsed_s(12), times.since_s(12)) == (742.0, 160.0, 100.0)
    times.hear([report(left_s=700.0)])
    assert times.left_s(12) == 700.0
    now[0] += 10_000
    assert times.left_s(12) == 0.0, "never less than nothing"


@pytest.mark.parametrize("heard", [None, report(13), report(left_s=None)], ids=["none", "another job's", "unknown"])
def test_nothing_is_said_of_a_job_that_reports_nothing(heard: JobProgress | None) -> None:
    times = RunningTimes(lambda: 0.0)
    times.hear([report()])
    times.hear([] if heard is None else [heard])
    assert times.left_s(12) is None


def test_a_window_that_only_looks_on_takes_what_it_has_not_heard_for_no_delay(tmp_path: Path) -> None:
    """Pieces of a fifth of a second, told once a second: half way to the next word it said four times as much."""
    clock = [100.0]
    owner, viewer = (LiveFiles(tmp_path, lambda: BootTime("boot-1", clock[0])) for _ in range(2))
    pace = Pace(unit_s=0.2, same_s=5.4, other_s=0.4, measured=True)
    told = JobProgress(12, Progress(Stage.DECODE, 4, 31), 3.0, left_s=6.0, pace=pace)
    owner.write(told, important=False)
    clock[0] += 0.5
    (heard,) = viewer.read()
    times = RunningTimes(lambda: clock[0])
    times.hear([heard])
    for _ in range(12):
        clock[0] += 0.1
        left_s = times.left_s(12)
        assert left_s is not None and left_s <= 6.0
        assert times.slower_words(12) == ""
    clock[0] += 2.0
    late_s = times.left_s(12)
    assert late_s is not None and late_s > 8.0, "a piece that is overdue by more is late"
    assert times.slower_words(12)


async def test_every_place_says_the_same_time_left() -> None:
    now = [0.0]
    panels = ProgressPanel(), QueuePanel()
    for panel in panels:
        app = OnePanel(panel, (running(),))
        app.clock = lambda: now[0]
        now[0] = 0.0
        async with app.run_test(size=(80, 12)) as pilot:
            app.publish_event(JobChanged(running()))
            app.publish_event(progress(left_s=LEFT_S))
            await pilot.pause()
            now[0] = 100.0
            assert app.times.running.left_s(12) == LEFT_S - 100
            drawn = panel.render() if isinstance(panel, ProgressPanel) else panel.row(0, 80, False)
            assert duration(LEFT_S - 100) in drawn.plain
            if isinstance(panel, QueuePanel):
                await app.push_screen(LeaveScreen(running()))
                await pilot.pause()
                assert duration(LEFT_S - 100) in _text(app)
                # A question may stand there for hours.
                now[0] = 130.0
                app.forecast.publish(QueueForecast())
                await pilot.pause()
                assert duration(LEFT_S - 130) in _text(app)
                app.pop_screen()
                await app.push_screen(JobScreen(12))
                await pilot.pause()
                assert duration(LEFT_S - 130) in _text(app)


async def test_a_job_that_goes_on_later_does_not_start_with_what_was_left_before() -> None:
    app = OnePanel(QueuePanel(), (running(),))
    async with app.run_test(size=(80, 12)) as pilot:
        for event in (
            JobChanged(running()),
            progress(),
            JobChanged(replace(running(), state=JobState.INTERRUPTED)),
            JobChanged(running()),
        ):
            app.publish_event(event)
        await pilot.pause()
        assert app.board.running is not None
        assert app.times.running.left_s(12) is None


def _text(app: OnePanel) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def test_whoever_leaves_while_two_jobs_run_is_asked_about_both() -> None:
    one, two = running(), replace(running(), id=13, label="corridor", worker="spark-02 gpu 0")
    answers: list[str | None] = []
    app = OnePanel(QueuePanel(), (one, two))
    async with app.run_test(size=(80, 24)) as pilot:
        for job in (one, two):
            app.publish_event(JobChanged(job))
        await app.push_screen(LeaveScreen(one, two), answers.append)
        await pilot.pause()
        assert "2 jobs are running" in _text(app) and "corridor" in _text(app)
        for ended in (one, two):
            assert not answers, "the other one still runs"
            app.publish_event(JobChanged(replace(ended, state=JobState.DONE)))
            await pilot.pause()
        assert answers == ["ended"]

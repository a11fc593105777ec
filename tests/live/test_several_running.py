"""Several jobs that run at once: every place that shows one says which, where, and what the others do."""

from dataclasses import replace

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.services import Services
from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.eta.gangs import free_at_s
from skyreels_tui.eta.outlook import turn_of
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.events import JobChanged, QueueChanged, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.panels.progress import ProgressPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.widgets.queue_line import QueueLine
from skyreels_tui.ui.widgets.status_bar import StatusBar
from tests.live.test_alone import NoMonitor, until
from tests.live.test_panels import OnePanel, progress, running
from tests.queue.conftest import entry
from tests.queue.demo_requests import demo_request
from tests.queue.test_workers import Shelf


def both():
    """Two jobs on two workers, in queue order."""
    return replace(running(), worker="spark-01 gpu 0"), replace(
        running(id=13), position=2000.0, worker="spark-02 gpu 0"
    )


async def text_of(panel, events, size):
    first, second = both()
    app = OnePanel(panel, (first, second))
    async with app.run_test(size=size) as pilot:
        if isinstance(panel, ProgressPanel):
            panel.styles.height = "100%"
        for event in (JobChanged(first), JobChanged(second), *events):
            app.publish_event(event)
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@pytest.mark.parametrize("size", [(80, 14), (120, 20)])
async def test_the_progress_panel_stays_with_its_job_and_tells_of_the_other(size):
    other = progress(job_id=13, progress=Progress(Stage.DENOISE, 2, 8), left_s=120.0)
    text = await text_of(ProgressPanel(), [progress(), other, progress(), other], size)
    assert "5/8" in text and "spark-01 gpu 0" in text
    line = next(line for line in text.splitlines() if "spark-02 gpu 0" in line)
    assert "13 " in line and "2/8" in line and "2:00" in line


async def test_it_goes_to_the_other_when_its_own_has_ended():
    first, _ = both()
    other = progress(job_id=13, progress=Progress(Stage.DENOISE, 3, 8))
    events = [progress(), other, JobChanged(replace(first, state=JobState.DONE)), other]
    text = await text_of(ProgressPanel(), events, (80, 14))
    assert "3/8" in text and "spark-02 gpu 0" in text


async def test_it_goes_to_the_next_job_where_another_process_ended_its_own_and_began_that_at_once():
    """A window that only looks on hears of both in one word: it stood still at the last report of the first."""
    first, second = (replace(job, worker="") for job in both())
    panel, rows = ProgressPanel(), [first, replace(second, state=JobState.QUEUED)]
    app = OnePanel(panel, rows)
    async with app.run_test(size=(80, 14)) as pilot:
        for event in (JobChanged(first), progress()):
            app.publish_event(event)
        await pilot.pause()
        rows[:] = [second, replace(first, state=JobState.DONE)]
        for event in (QueueChanged(), progress(job_id=13, progress=Progress(Stage.DENOISE, 3, 8))):
            app.publish_event(event)
        await pilot.pause()
        assert "13" in str(panel.border_title)
        assert "3/8" in panel.render().plain and "5/8" not in panel.render().plain


async def test_the_queue_says_where_each_runs_with_its_own_time():
    events = [progress(left_s=600.0), progress(job_id=13, left_s=120.0)]
    text = await text_of(QueuePanel(), events, (80, 14))
    first, second = (next(line for line in text.splitlines() if name in line) for name in ("spark-01", "spark-02"))
    assert "10:00" in first and "2:00" in second


@pytest.mark.parametrize(
    ("width", "workers", "has_gpus", "words"),
    [
        (80, 4, True, "3 of 4 GPUs"),
        (120, 4, True, "3 of 4 GPUs"),
        (80, 4, False, "3 of 4 workers"),
        (80, 1, True, ""),
    ],
)
async def test_the_header_counts_workers_where_there_are_several(width, workers, has_gpus, words):
    app = OnePanel(StatusBar())
    async with app.run_test(size=(width, 3)) as pilot:
        app.publish_event(QueueStatus(is_owner=True, workers=workers, busy=3, has_gpus=has_gpus))
        await pilot.pause()
        shown = app.query_one(StatusBar).render().plain
        assert words in shown and (bool(words) or " of " not in shown)


async def test_the_line_of_the_queue_counts_the_others():
    app = OnePanel(QueueLine(), both())
    async with app.run_test(size=(80, 3)) as pilot:
        for job in both():
            app.publish_event(JobChanged(job))
        await pilot.pause()
        assert "1 more runs" in app.query_one(QueueLine).render().plain


@pytest.mark.parametrize(("name", "size"), [("progress", (80, 24)), ("queue", (80, 24))])
async def test_a_lone_panel_follows_every_job_of_another_process(folders, tmp_path, name, size):
    """Its forecast too reckons with both workers: it said that all would come one after the other."""
    shelf = Shelf("here of GB10", "there of H100", make=lambda: FakeExecutor(Script(num_steps=4), gated=True))
    service = QueueService(folders, tmp_path / "result", lambda _event: None, executor=shelf)
    service.actions.add_many([entry("one"), entry("two"), entry("three")])
    service.start()
    app = AloneApp(name, Services(folders, Settings(), tmp_path), monitor=lambda _: NoMonitor())
    try:
        async with app.run_test(size=size) as pilot:
            for executor in shelf.executors.values():
                executor.advance()
            await until(pilot, lambda: len(app.board.all_progress) == 2)
            # A forecast of the moment before knows one of the two jobs as waiting.
            await until(pilot, lambda: app.last_forecast is not None and len(app.last_forecast.running_seconds) == 2)
            assert app.last_forecast.workers == 2

            def drawn():
                strips = app.screen._compositor.render_strips()
                return "\n".join("".join(segment.text for segment in strip) for strip in strips)

            await until(pilot, lambda: all(where in drawn() for where in ("here", "there")))
    finally:
        for executor in shelf.executors.values():
            executor.open_gate()
        service.close(timeout_s=60.0)


@pytest.mark.parametrize(
    ("running", "waiting", "workers", "end_s"),
    [
        ([], [], 1, 0.0),
        ([(10.0, 1)], [(5.0, 1), (5.0, 1)], 1, 20.0),
        ([(10.0, 1)], [(5.0, 1), (5.0, 1)], 2, 10.0),
        ([(10.0, 1), (2.0, 1)], [(5.0, 1), (5.0, 1)], 2, 12.0),
        ([], [(3.0, 1), (3.0, 1), (3.0, 1)], 2, 6.0),
        ([(4.0, 1), (4.0, 1), (4.0, 1)], [(1.0, 1)], 2, 5.0),
        # A gang holds all of its workers, and begins when the last of them is free.
        ([(10.0, 2)], [(5.0, 1), (5.0, 1)], 2, 15.0),
        ([(10.0, 1), (2.0, 1)], [(5.0, 2), (1.0, 1)], 2, 16.0),
        ([], [(5.0, 1), (5.0, 2), (1.0, 1)], 3, 6.0),
        ([], [(5.0, 1), (5.0, 1), (5.0, 2), (1.0, 1)], 3, 10.0),
        ([], [(5.0, 4)], 2, 5.0),
    ],
)
def test_the_queue_ends_when_the_last_worker_has_ended(running, waiting, workers, end_s):
    assert free_at_s(running, waiting, workers)[-1] == end_s


def test_a_job_of_several_workers_holds_all_of_them_in_every_forecast(tmp_path):
    request = demo_request("reference_to_video", tmp_path)

    def one(number, gpus="1", state=JobState.QUEUED, **changes):
        text = replace(request, gpus=gpus).to_json()
        return replace(running(id=number), state=state, request_json=text, attempts=0, **changes)

    def told(*jobs):
        crew = [(f"spark-0{number} cpu 0", "cpu") for number in (1, 2)]
        return Forecast(lambda: jobs, EtaBook(tmp_path / "rates.json"), crew=lambda: crew).read()

    alone = told(one(1)).total_seconds
    pair = told(one(1, "2")).total_seconds
    assert told(one(1), one(2)).total_seconds == alone
    assert told(one(1, "2"), one(2, "2")).total_seconds == pytest.approx(2 * pair)
    assert told(one(1), one(2, "2"), one(3)).total_seconds == pytest.approx(2 * alone + pair)
    works = one(1, "all", JobState.RUNNING, worker="spark-02 cpu 0")
    assert told(works, one(2), one(3)).total_seconds == pytest.approx(pair + alone)
    # One that is added now begins behind all of them.
    assert turn_of(told(works, one(2, "2"))).seconds == pytest.approx(2 * pair)
    assert turn_of(told(works, one(2), one(3)), job_id=3).seconds == pytest.approx(pair)
    assert turn_of(told(works, one(2), one(3, "2")), job_id=3, gpus="2").seconds == pytest.approx(pair + alone)

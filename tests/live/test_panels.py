from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from pipelines.front.cost import WAN_14B, make_plan
from pipelines.front.plan import Plan, Segment
from pipelines.front.progress import PreviewStrip, Progress, Stage
from skyreels_tui.eta.forecast import QueueForecast, RunningJob
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.sample import (
    DiskReading,
    FileSystem,
    GpuReading,
    HealthReading,
    MemoryReading,
    Pool,
    Sample,
)
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.pace import Pace
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.ui.drawing.glyphs import ASCII
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.panels.disk import DiskPanel
from skyreels_tui.ui.panels.gpu import GpuPanel
from skyreels_tui.ui.panels.memory import MemoryPanel
from skyreels_tui.ui.panels.preview import PreviewPanel
from skyreels_tui.ui.panels.progress import ProgressPanel
from skyreels_tui.ui.widgets.panel import Panel
from tests.live.conftest import job_of
from tests.live.fake_nvml import FakeNvml, Refusal, machine, spark

GIB = 2**30
SIZES = [(38, 6), (60, 8), (120, 36)]
PLAN = make_plan(WAN_14B, height=720, width=1280, fps=24, segments=[Segment(126_000, 8, 1, 31, 121)], encoded_frames=2)
SPARK_MEMORY = MemoryReading(
    pool=Pool.UNIFIED,
    total_bytes=int(119.7 * GIB),
    used_bytes=int(61.5 * GIB),
    available_bytes=int(58.2 * GIB),
    weights_bytes=int(40.5 * GIB),
    ours_bytes=int(51.7 * GIB),
    spare_bytes=int(2.2 * GIB),
    peak_bytes=58 * GIB,
    page_cache_bytes=int(3.1 * GIB),
    swap_used_bytes=0,
    swap_total_bytes=16 * GIB,
    system_available_bytes=int(58.2 * GIB),
)
DISK = DiskReading(
    file_systems=(FileSystem(("results", "cache", "state"), "/data", 4 * 2**40, int(1.7 * 2**40)),),
    result_bytes=41 * GIB,
    cache_bytes=0,
    checkpoint_bytes=0,
    models=(("SkyReels-V3-R2V-14B", 52 * GIB), ("SkyReels-V3-A2V-19B", 42 * GIB)),
)


class OnePanel(HubApp):
    def __init__(self, panel: Panel, jobs: Iterable[Job] = (), clock: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(lambda: jobs, clock=clock, wall_clock=lambda: datetime(2026, 1, 6, 2, 3))
        self.panel = panel

    def compose(self) -> Any:
        yield self.panel


def running(**changes: Any) -> Job:
    return job_of("hero.png", state=JobState.RUNNING, attempts=1, **changes)


def progress(**changes: Any) -> JobProgress:
    values: dict[str, Any] = {
        "job_id": 12,
        "progress": Progress(Stage.DENOISE, 5, 8),
        "elapsed_s": 1361.0,
        "step_seconds": (268.0, 270.1, 266.0, 268.1, 268.4),
        "stage_seconds": (("load", 6.1), ("text", 0.2), ("condition", 2.0)),
        "left_s": 842.0,
        **changes,
    }
    return JobProgress(**values)


async def shown(
    panel: Panel, events: list[object], size: tuple[int, int] = (60, 8), *, fold: bool = False, ascii_: bool = False
) -> list[str]:
    """Rows of the screen after `events` were published."""
    app = OnePanel(panel)
    if ascii_:
        app.looks.glyphs = ASCII
    async with app.run_test(size=size) as pilot:
        panel.folded = fold
        if not fold:
            panel.styles.height = "100%"
        await pilot.pause()
        for event in events:
            if isinstance(event, Sample):
                app.publish_sample(event)
            elif isinstance(event, QueueForecast):
                app.publish_forecast(event)
            else:
                app.publish_event(event)
            await pilot.pause()
        strips = app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]


def sample(at: float = 1000.0, errors: dict[str, str] | None = None, **readings: Any) -> Sample:
    return Sample(at, readings, errors or {})


async def test_memory_of_a_spark_names_every_part() -> None:
    text = "\n".join(await shown(MemoryPanel(), [sample(memory=SPARK_MEMORY)], (60, 8)))
    for words in ("unified 119.7 GiB", "61.5/119.7", "model 40.5", "work 9.0", "cache 2.2", "others 9.8",
                  "available 58.2", "page cache 3.1", "swap 0.0", "peak 58.0"):  # fmt: skip
        assert words in text, words
    wide = "\n".join(await shown(MemoryPanel(), [sample(memory=SPARK_MEMORY)], (120, 8)))
    assert "model 40.5 ██   work 9.0 ▓▓   cache 2.2 ▒▒   others 9.8 ░░" in wide


async def test_memory_graph_grows_with_the_room() -> None:
    events: list[object] = [
        sample(at=float(second), memory=replace(SPARK_MEMORY, used_bytes=second * GIB // 10))
        for second in range(600, 900, 10)
    ]
    small = await shown(MemoryPanel(), events, (38, 6))
    large = await shown(MemoryPanel(), events, (120, 30))
    assert "█" not in "".join(small[3:])
    assert sum("█" in row for row in large) > 10
    assert "last 5 min" in "\n".join(large)


@pytest.mark.parametrize(("seconds", "width"), [(50, 60), (110, 120), (290, 40), (590, 110)])
async def test_the_graph_fills_the_width_with_what_is_known(seconds: int, width: int) -> None:
    readings: list[object] = [
        sample(at=3000.0 + second, memory=replace(SPARK_MEMORY, used_bytes=100 * GIB))
        for second in range(0, seconds, 10)
    ]
    rows = (await shown(MemoryPanel(), readings, (width, 24)))[:-2]
    lowest = max((row for row in rows if "█" in row), key=lambda row: row.count("█"))
    assert lowest.count("█") >= 0.6 * width


def cost(peak_gib: float) -> Plan:
    """A plan whose job reaches so much."""
    return replace(PLAN, weights_bytes=int(peak_gib * GIB), text_bytes=0, activation_bytes=0)


@pytest.mark.parametrize("width", [40, 60, 120])
@pytest.mark.parametrize("ascii_", [False, True])
async def test_the_bar_marks_the_floor_and_what_running_and_next_job_reach(width: int, ascii_: bool) -> None:
    queue = QueueForecast(running=RunningJob(running(), cost(60)), next_plan=cost(80))
    rows = await shown(MemoryPanel(), [sample(memory=SPARK_MEMORY), queue], (width, 12), ascii_=ascii_)
    bar = next(row for row in rows if "61.5/119.7" in row).split(" 61.5")[0].strip("│| ")
    job, coming, floor = "A^!" if ascii_ else "▲△┃"
    total, others = 119.7, 9.8
    places = {job: (others + 60) / total, coming: (others + 80) / total, floor: 1 - 8 / total}
    for glyph, share in places.items():
        assert abs(bar.index(glyph) - share * len(bar)) <= 1.5, glyph
    text = "\n".join(rows)
    for words in (f"{job} job reaches 60.0", f"{coming} next reaches 80.0", f"{floor} stays free 8.0"):
        assert words in text


async def test_without_jobs_the_bar_marks_the_floor_alone() -> None:
    text = "\n".join(await shown(MemoryPanel(), [sample(memory=SPARK_MEMORY), QueueForecast()], (60, 12)))
    assert text.count("┃") == 2 and "▲" not in text and "△" not in text


async def test_folded_panels_say_the_most_in_one_line() -> None:
    gpu = GpuReading(name="NVIDIA GB10", util_percent=98, temperature_c=71, sm_clock_mhz=2412, power_w=92.0)
    assert (await shown(MemoryPanel(), [sample(memory=SPARK_MEMORY)], fold=True))[0].startswith(
        "mem 61.5/119.7 GiB ███▓"
    )
    assert (await shown(GpuPanel(), [sample(gpu=gpu)], fold=True))[0].strip() == "gpu 98 % 71 °C"
    assert (await shown(DiskPanel(), [sample(disk=DISK)], fold=True))[0].strip() == "disk 1.7 TiB free"
    events: list[object] = [JobChanged(running()), progress()]
    line = (await shown(ProgressPanel(), events, (80, 3), fold=True))[0]
    assert line.startswith("12 corridor-A  denoise ━━━")
    assert line.rstrip().endswith("5/8  268.4 s/step  left 14:02")


RECORDED: dict[str, tuple[Any, list[str]]] = {
    "discrete": (FakeNvml(machine()), ["98 %", "1 755 MHz", "62 °C", "512 W"]),
    "spark": (FakeNvml(spark()), ["98 %", "2 412 MHz", "71 °C", "92 W"]),
    "no driver": (FakeNvml({}, start=12), ["no NVIDIA driver on this machine"]),
    "no gpu": (FakeNvml({}, count=0), ["the driver sees no NVIDIA GPU"]),
    "nothing supported": (FakeNvml({"nvmlDeviceGetName": "NVIDIA X"}), ["gives no figures"]),
    "clock refused": (FakeNvml(machine(nvmlDeviceGetClockInfo=Refusal(3))), ["98 %", "62 °C", "512 W"]),
}


@pytest.mark.parametrize("case", RECORDED)
@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_gpu_panel_speaks_true_words_on_every_recorded_machine(case: str, size: tuple[int, int]) -> None:
    fake, expected = RECORDED[case]
    reading = GpuSensor(lambda: fake).read()
    text = "\n".join(await shown(GpuPanel(), [sample(gpu=reading)] * 2, size))
    for words in expected:
        assert words.split()[0] in text, words
    for lie in ("N/A", "0/0", "None", "Traceback", "nan"):
        assert lie not in text


async def test_gpu_health_words_and_their_weight() -> None:
    gpu = GpuReading(name="NVIDIA GB10", util_percent=98, temperature_c=88)
    health = HealthReading(("hot: hardware slows the clocks",), serious=True)
    text = "\n".join(await shown(GpuPanel(), [sample(gpu=gpu, health=health)], (60, 8)))
    assert "hot: hardware slows the clocks" in text
    assert " ok" not in text
    assert "ok" in "\n".join(await shown(GpuPanel(), [sample(gpu=gpu)], (60, 8)))


async def test_a_failed_sensor_is_named() -> None:
    events: list[object] = [sample(errors={"gpu": "the driver hung"})]
    assert "not readable: the driver hung" in "\n".join(await shown(GpuPanel(), events))


async def test_disk_says_whether_the_queue_fits() -> None:
    fits = QueueForecast(needs_bytes=3 * GIB)
    text = "\n".join(await shown(DiskPanel(), [sample(disk=DISK), fits], (60, 10)))
    for words in (
        "result 41 GiB",
        "models 94 GiB",
        "free 1.7 TiB",
        "ok",
        "the queue needs 3 GiB",
        "SkyReels-V3-R2V-14B",
    ):
        assert words in text, words
    full = replace(DISK, file_systems=(FileSystem(("results",), "/data", 4 * 2**40, GIB),))
    text = "\n".join(await shown(DiskPanel(), [sample(disk=full), fits], (60, 10)))
    assert "✗ the queue needs 3 GiB, 1 GiB free on /data" in text
    assert "too little" in text


async def test_a_small_margin_is_told_apart_from_what_stops_a_job() -> None:
    tight = replace(DISK, file_systems=(FileSystem(("results",), "/data", 4 * 2**40, 200 * 2**20),))
    text = "\n".join(await shown(DiskPanel(), [sample(disk=tight), QueueForecast(needs_bytes=18 * 2**10)], (60, 10)))
    assert "the queue needs 18 KiB, margin 200 MiB" in text
    assert "little margin" in text
    assert "too little" not in text


@pytest.mark.parametrize(("pause", "says"), [("disk", False), ("now", False), ("", True), ("hours", True)])
async def test_no_end_is_shown_while_nothing_can_start(pause: str, says: bool) -> None:
    waiting = QueueForecast(job_seconds=((13, 600.0),), total_seconds=600.0)
    status = QueueStatus(is_owner=True, pause=pause)  # type: ignore[arg-type]  # one of its words
    text = "\n".join(await shown(ProgressPanel(), [status, waiting], (60, 8)))
    assert ("queue ends" in text) is says, text


async def test_a_queue_without_an_end_counts_who_waits_and_nobody_of_unknown_length() -> None:
    """Paused after the running job: it said `1 waiting, 0 of unknown length`."""
    queue = QueueForecast(job_seconds=((13, 450.0),), running=RunningJob(running(), PLAN))
    status = QueueStatus(is_owner=True, pause="after_job")
    text = "\n".join(await shown(ProgressPanel(), [status, JobChanged(running()), progress(), queue], (60, 12)))
    assert "1 waiting" in text and "unknown" not in text and "queue ends" not in text


async def test_progress_has_stages_bar_speed_and_times() -> None:
    queue = QueueForecast(job_seconds=((13, 450.0),), total_seconds=1292.0, running=RunningJob(running(), PLAN))
    events: list[object] = [
        JobChanged(running()),
        progress(progress=Progress(Stage.TEXT, detail="cached"), left_s=None),
        progress(),
        queue,
    ]
    text = "\n".join(await shown(ProgressPanel(), events, (60, 12)))
    for words in ("2 Progress · 12 corridor-A", "Reference to video  540P  720x1280  121 frames", "load ✓ 6.1 s",
                  "text ✓ cached", "references ✓ 2.0 s", "denoise ━━━━", "5/8", "268.4 s/step", "decode ·",
                  "elapsed 22:41", "left 14:02", "ends 02:17", "1 waiting, queue ends 02:24"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(("doubt", "said"), [(6.0, "1 waiting"), (2.0, "queue ends ~02:24"), (1.0, "queue ends 02:24")])
async def test_the_end_of_a_queue_is_told_as_far_as_the_running_job_is_known(doubt: float, said: str) -> None:
    """An end that moved on minute by minute stood above a job whose own line said that nobody can tell yet."""
    queue = QueueForecast(job_seconds=((13, 450.0),), total_seconds=1292.0, running=RunningJob(running(), PLAN))
    pace = Pace(unit_s=842.0, doubt=doubt)
    text = "\n".join(await shown(ProgressPanel(), [JobChanged(running()), progress(pace=pace), queue], (60, 12)))
    assert said in text, text
    assert ("queue ends" in text) is (doubt < 4)


async def test_progress_moves_between_reports() -> None:
    now = [0.0]
    panel = ProgressPanel()
    app = OnePanel(panel, clock=lambda: now[0])
    async with app.run_test(size=(60, 10)) as pilot:
        app.publish_event(JobChanged(running()))
        app.publish_event(progress())
        await pilot.pause()
        before = panel.render().plain
        now[0] = 100.0
        app.publish_sample(sample())
        await pilot.pause()
        after = panel.render().plain
    assert "left 14:02" in before
    assert "left 12:22" in after
    assert "elapsed 24:21" in after
    assert before.count("━") < after.count("━"), "the bar moves within a step"


@pytest.mark.parametrize("size", [(38, 6), (60, 8)], ids=str)
async def test_progress_keeps_bar_and_times_when_room_is_short(size: tuple[int, int]) -> None:
    events: list[object] = [JobChanged(running()), progress()]
    text = "\n".join(await shown(ProgressPanel(), events, size))
    for words in ("5/8", "268.4 s/step", "left 14:02"):
        assert words in text, words


async def test_windows_and_loading_are_counted() -> None:
    job = running(task_type="talking_avatar", request_json="{}")
    window = progress(progress=Progress(Stage.DENOISE, 1, 4, segment=2, num_segments=7))
    text = "\n".join(await shown(ProgressPanel(), [JobChanged(job), window], (60, 8)))
    assert "piece 3 of 7" in text
    load = Progress(Stage.LOAD, bytes_done=10 * GIB, bytes_total=29 * GIB)
    loading = progress(progress=load, left_s=None, step_seconds=(), stage_seconds=())
    text = "\n".join(await shown(ProgressPanel(), [JobChanged(job), loading], (60, 8)))
    assert "10 GiB of 29 GiB" in text


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ({"state": JobState.FAILED, "error": "disk full while writing " * 9}, "✗ failed: disk full while"),
        (
            {
                "state": JobState.INTERRUPTED,
                "reason": because(Code.INTERRUPTED, step=20, num_steps=20, part=3, num_parts=4, stage="condition"),
            },
            "◌ interrupted at step 20 of 20, piece 3 of 4",
        ),
    ],
    ids=["failed", "interrupted"],
)
async def test_one_line_tells_why_a_job_ended_however_long_the_words(ended: dict[str, Any], told: str) -> None:
    events: list[object] = [JobChanged(running()), JobChanged(replace(running(), **ended))]
    line = (await shown(ProgressPanel(), events, (72, 3), fold=True))[0]
    assert told in line
    assert "corridor-A" in line


async def test_the_end_of_a_job_is_told() -> None:
    done = running(run_seconds=2210.0)
    events: list[object] = [JobChanged(running()), progress(), JobChanged(replace(done, state=JobState.DONE))]
    text = "\n".join(await shown(ProgressPanel(), events, (60, 8)))
    assert "✓ done in 36:50" in text
    assert "left" not in text
    failed = replace(done, state=JobState.FAILED, error="disk \x1b[31mfull [/bold]")
    text = "\n".join(await shown(ProgressPanel(), [*events[:2], JobChanged(failed)], (60, 8)))
    assert "✗ failed in 36:50: disk ␛[31mfull [/bold]" in text


async def test_nothing_running_is_no_error() -> None:
    text = "\n".join(await shown(ProgressPanel(), [sample()], (38, 6)))
    assert "nothing is running" in text


async def test_ascii_terminals_get_ascii() -> None:
    events: list[object] = [JobChanged(running()), progress(), sample(memory=SPARK_MEMORY, disk=DISK)]
    for panel in (ProgressPanel(), MemoryPanel(), DiskPanel()):
        rows = await shown(panel, events, (60, 8), ascii_=True)
        inside = "".join(row[1:-1] for row in rows[1:-1]).replace("·", "")
        assert inside.isascii(), inside


def strip_of(red: int) -> PreviewStrip:
    return PreviewStrip(8, 4, (0, 10, 20, 30), bytes((red, 0, 0)) * (8 * 4 * 4))


def colours(panel: PreviewPanel) -> set[str]:
    """Those of the letters that stand in it on the screen."""
    lines = panel.render_lines(panel.size.region)
    return {part.style.color.name for line in lines for part in line if part.style and part.style.color}


async def test_preview_draws_the_newest_strip_and_cycles() -> None:
    panel = PreviewPanel()
    app = OnePanel(panel)
    async with app.run_test(size=(60, 8)) as pilot:
        panel.focus()
        app.publish_event(JobChanged(running()))
        app.publish_event(progress(progress=Progress(Stage.DENOISE, 5, 8, preview=strip_of(200))))
        await pilot.pause()
        assert "step 5 · frames 1 11 21 31" in str(panel.border_title)
        four = panel.render()
        assert four.plain.count("▀") > 0
        assert "#c80000" in colours(panel)
        await pilot.press("v")
        assert panel.render().plain != four.plain
        await pilot.press("v", "v")
        assert "off" in panel.render().plain
        app.publish_event(JobChanged(running(id=13)))
        app.publish_event(progress(job_id=13, progress=Progress(Stage.DENOISE, 1, 8, preview=strip_of(90))))
        await pilot.press("v")
        await pilot.pause()
        assert "#c80000" in colours(panel) and "#5a0000" not in colours(panel), "the first job's, while both run"
        app.publish_event(JobChanged(replace(running(), state=JobState.DONE)))
        app.publish_event(JobChanged(running(id=14)))
        await pilot.pause()
        assert "▀" not in panel.render().plain, "another job's picture is gone"


class Listening(OnePanel):
    asked = 0

    def on_preview_panel_looking(self) -> None:
        self.asked += 1


async def test_preview_is_asked_for_only_while_it_is_seen() -> None:
    now = [0.0]
    panel = PreviewPanel()
    app = Listening(panel, clock=lambda: now[0])
    busy = QueueForecast(running=RunningJob(running()))

    async def tick(pilot: Any, queue: QueueForecast = busy) -> int:
        before = app.asked
        now[0] += 10.0
        app.publish_forecast(queue)
        await pilot.pause()
        return app.asked - before

    async with app.run_test(size=(60, 8)) as pilot:
        assert await tick(pilot) == 1
        now[0] -= 10.0
        assert await tick(pilot) == 0, "not again within two seconds"
        assert await tick(pilot, QueueForecast()) == 0, "nothing runs"
        panel.display = False
        await pilot.pause()
        assert await tick(pilot) == 0, "hidden"
        panel.display = True
        panel.folded = True
        await pilot.pause()
        assert await tick(pilot) == 0, "folded"
        panel.folded = False
        panel.focus()
        await pilot.pause()
        assert await tick(pilot) == 1
        await pilot.press("v", "v", "v")
        assert await tick(pilot) == 0, "switched off"


async def test_a_reading_that_changes_nothing_draws_nothing() -> None:
    panel = MemoryPanel()
    app = OnePanel(panel)
    async with app.run_test(size=(60, 8)) as pilot:
        await pilot.pause()
        app.publish_sample(sample(memory=SPARK_MEMORY))
        await pilot.pause()
        assert panel.content_size.height == 4, "as high as its words"
        drawn: list[None] = []
        original = panel.refresh
        panel.refresh = lambda *args, **options: (drawn.append(None), original(*args, **options))[1]  # type: ignore
        app.publish_sample(sample(at=1001.0, memory=SPARK_MEMORY))
        await pilot.pause()
        assert not drawn
        app.publish_sample(sample(at=1002.0, memory=replace(SPARK_MEMORY, used_bytes=80 * GIB)))
        await pilot.pause()
        assert drawn

"""Draws the home screen with a running job as SVG at three sizes: `make screenshots`.

The queue, the app and its panels are the real ones in a temporary home; the executor is scripted, and the sensors
are the readings of a DGX Spark at work, so that the pictures look the same wherever they are made.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace

from textual.pilot import Pilot

import pipelines.demo
from pipelines.progress import PreviewStrip, Progress, Stage
from pipelines.runtime import Output
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app import AppOptions, SkyreelsApp
from skyreels_tui.executors.protocol import JobContext
from skyreels_tui.folders import find_folders
from skyreels_tui.jobs.events import JobProgress, LogLine
from skyreels_tui.jobs.model import JobState
from skyreels_tui.monitors.sample import (
    DiskReading,
    FileSystem,
    GpuReading,
    HealthReading,
    MemoryReading,
    Pool,
    QueueForecast,
    RunningJob,
    Sample,
)
from skyreels_tui.panels.log import LogPanel
from skyreels_tui.panels.progress import ProgressPanel
from skyreels_tui.settings import Settings
from skyreels_tui.widgets import statusbar

SIZES = ((80, 24), (120, 40), (200, 50))
TARGET = Path(__file__).parents[1] / "doc" / "screenshots"
SAMPLES = Path(pipelines.demo.__file__).parent / "samples"
GIB = 2**30
NOW = datetime(2026, 1, 6, 2, 3)
WAIT_S = 30.0

STEPS = (266.0, 268.0, 270.1, 267.2, 268.4)
LABELS = ("corridor-A", "street-night", "portrait-take-2", "close-up")


def preview() -> PreviewStrip:
    """The sample picture in latent size, brighter from frame to frame."""
    from PIL import Image, ImageEnhance

    with Image.open(SAMPLES / "astronaut.jpg") as opened:
        picture = opened.convert("RGB").resize((80, 45))
    frames = [ImageEnhance.Brightness(picture).enhance(0.7 + 0.15 * index).tobytes() for index in range(4)]
    return PreviewStrip(80, 45, (0, 10, 20, 30), b"".join(frames))


def sample(second: int, queue: QueueForecast) -> Sample:
    """One reading of a machine at work."""
    used = round((40 + min(21.5, second / 20)) * GIB)
    return Sample(
        at=float(second),
        gpu=GpuReading(
            name="NVIDIA GB10", util_percent=94 + second % 5, sm_clock_mhz=2380 + 8 * (second % 5),
            max_sm_clock_mhz=3003, temperature_c=68 + second // 200, power_w=88.0 + second % 6, unified=True,
        ),
        memory=MemoryReading(
            pool=Pool.UNIFIED, total_bytes=round(119.7 * GIB), used_bytes=used,
            available_bytes=round(119.7 * GIB) - used, weights_bytes=round(37.7 * GIB), ours_bytes=used - 10 * GIB,
            peak_bytes=58 * GIB, page_cache_bytes=round(3.1 * GIB), swap_used_bytes=0, swap_total_bytes=16 * GIB,
        ),
        disk=DiskReading(
            (FileSystem(("results", "cache", "state"), "/data", 4 * 2**40, round(1.7 * 2**40)),),
            result_bytes=41 * GIB, models=(("SkyReels-V3-R2V-14B", 52 * GIB), ("SkyReels-V3-A2V-19B", 42 * GIB)),
        ),
        health=HealthReading(),
        queue=queue,
    )  # fmt: skip


class StillExecutor:
    """Reports one step of a job and waits to be told to end."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def warm_up(self) -> None:
        """Nothing to import."""

    def close(self) -> None:
        """Nothing to release."""

    def run(self, context: JobContext) -> Output:
        """Stand still at step 5 of 8."""
        context.report(Progress(Stage.DENOISE, 5, 8))
        self.done.wait()
        context.report(Progress(Stage.DENOISE, 5, 8))
        raise RuntimeError("the queue was closed, so the report above does not return")


class FixedTime(datetime):
    """The clock of the pictures."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> FixedTime:
        """The same minute always."""
        return cls(2026, 1, 6, 2, 3, tzinfo=tz)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for the app to get there."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await pilot.pause(0.02)


async def draw(width: int, height: int, home: Path) -> str:
    """Return the SVG of the home screen in a terminal of this size."""
    folders = find_folders({"SKYREELS_TUI_HOME": str(home)})
    executor = StillExecutor()
    app = SkyreelsApp(AppOptions(folders, Settings(result_dir="result"), home / "result", lambda: executor))
    async with app.run_test(size=(width, height)) as pilot:
        await until(pilot, lambda: app.service is not None and app.monitor is not None)
        service, monitor = app.service, app.monitor
        if service is None or monitor is None:
            raise RuntimeError("the app did not start its engine")
        monitor.stop()
        for label in LABELS:
            request = ReferenceToVideo(
                prompt="An astronaut lifts a cup of coffee and smiles",
                ref_imgs=(str(SAMPLES / "astronaut.jpg"),),
                resolution="720P",
            )
            await asyncio.to_thread(service.add, request, label=label)
        service.hold(service.jobs()[-1].id)
        await until(pilot, lambda: app.board.progress is not None and app.board.progress.progress.step == 5)
        running = next(job for job in app.board.jobs if job.state is JobState.RUNNING)
        panel = app.screen.query_one(ProgressPanel)
        panel.clock, panel.wall_clock = (lambda: 0.0), (lambda: NOW)
        waiting = tuple((job.id, 2215.0) for job in app.board.jobs if job.state is JobState.QUEUED)
        plan = running.task.plan(running.request)
        queue = QueueForecast(waiting, 842.0 + 2215.0 * len(waiting), 2 * GIB, running=RunningJob(running, plan))
        for second in range(0, 600, 5):
            app.on_sampled(SimpleNamespace(sample=sample(second, queue)))  # type: ignore[arg-type]
        for stage, detail in ((Stage.TEXT, "cached"), (Stage.DENOISE, "")):
            picture = preview() if stage is Stage.DENOISE else None
            report = Progress(stage, 5, 8, detail=detail, preview=picture)
            stages = (("load", 6.1), ("text", 0.1), ("condition", 2.0))
            app.publish_event(JobProgress(running.id, report, 1361.0, STEPS, stages, 842.0))
            await pilot.pause()
        log = app.screen.query_one(LogPanel)
        log._lines.clear()
        for minute, text in ((53, "step 3/8 270.1 s"), (57, "step 4/8 267.2 s"), (62, "step 5/8 268.4 s")):
            at = (NOW.astimezone() - timedelta(minutes=63 - minute)).isoformat()
            app.publish_event(LogLine(at, "info", f"{text}  cudnn attention  peak 58.0 GiB", running.id))
        await until(pilot, lambda: len(log._lines) == 3 and "left 14:02" in panel.render().plain)
        await pilot.pause()
        await pilot.pause()
        svg = app.export_screenshot(title=f"skyreels-tui {width}x{height}")
        executor.done.set()
        closing = asyncio.create_task(asyncio.to_thread(service.close))
        await closing
    app.notifier.stop()
    # Class names and identifiers are random: fixed ones keep a repeated run free of changes.
    return re.sub(r"terminal-\d+", f"home-{width}", svg)


def main() -> None:
    """Write every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    os.environ["TZ"] = "UTC"
    statusbar.platform.node = lambda: "spark-01"
    statusbar.datetime = FixedTime  # type: ignore[misc]
    for width, height in SIZES:
        with tempfile.TemporaryDirectory() as home:
            svg = asyncio.run(draw(width, height, Path(home)))
        (TARGET / f"home-{width}x{height}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

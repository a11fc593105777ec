"""Draws the home screen with a running demo job as SVG at three sizes: `make screenshots`.

Queue, app, engine and job are the real ones: a built-in tiny model makes the video and its preview, and is held at
step 5. What would differ from run to run is fixed: clocks, measured seconds, and the sensors, which read like those
of a DGX Spark.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from textual.pilot import Pilot

import pipelines.demo
import skyreels_tui
from pipelines.front.progress import Progress, Stage
from pipelines.front.runtime import Output
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.eta.forecast import QueueForecast, RunningJob
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.monitors.sample import (
    DiskReading,
    FileSystem,
    GpuReading,
    HealthReading,
    MemoryReading,
    Pool,
    Sample,
)
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.events import Event, JobProgress, LogLine
from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.news import Forecasted, Sampled

SIZES = ((200, 50), (120, 40), (80, 24))
TARGET = Path(__file__).parents[1] / "doc" / "screenshots"
SAMPLES = Path(pipelines.demo.__file__).parent / "samples"
FOLDER = Path("/tmp/episode-1")
"""The job's pictures lie here meanwhile: home shows their paths, and those of this machine are nobody's business."""
GIB = 2**30
NOW = datetime(2026, 1, 6, 2, 3)
WAIT_S = 180.0
HELD_AT = 5

REQUEST = ReferenceToVideo(
    prompt="An astronaut lifts a cup of coffee and smiles",
    ref_imgs=(str(FOLDER / "astronaut.jpg"), str(FOLDER / "coffee.jpg")),
    resolution="128P",
    profile="demo",
)
LABELS = ("corridor-A", "street-night", "portrait-take-2", "close-up")
STEP_S = (0.9, 0.8, 0.8, 0.9, 0.8)
STAGE_S = (("load", 1.2), ("text", 0.1), ("condition", 0.3))
JOB_S = 9.0


class HeldExecutor(LocalExecutor):
    """Runs jobs as always, and stands still after one step of the first."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on
        self.go_on = threading.Event()

    def run(self, context: JobContext) -> Output:
        """Make the preview of every step; wait after the fifth."""

        def report(progress: Progress) -> None:
            context.report(progress)
            if progress.stage is Stage.DENOISE and progress.step == HELD_AT:
                self.go_on.wait()
                context.report(progress)

        return super().run(replace(context, report=report, wants_preview=lambda: True))


class StillApp(SkyreelsApp):
    """The app with the same seconds and minutes in every run."""

    CSS_PATH = str(Path(skyreels_tui.__file__).with_name("app") / "app.tcss")

    def publish_event(self, event: Event) -> None:
        """Put fixed times in the place of measured ones."""
        super().publish_event(_still(event))


def _still(event: Event) -> Event:
    if isinstance(event, JobProgress):
        steps = STEP_S[: len(event.step_seconds)]
        elapsed = 1.6 + sum(steps)
        return replace(
            event, elapsed_s=elapsed, step_seconds=steps, stage_seconds=STAGE_S, left_s=max(0.0, JOB_S - elapsed)
        )
    if isinstance(event, LogLine):
        step = re.match(r"step (\d)", event.text)
        seconds = STEP_S[min(int(step[1]), len(STEP_S)) - 1] if step else 0.0
        text = re.sub(r"\d+\.\d+ s", f"{seconds:.1f} s", event.text)
        return replace(event, at=(NOW.astimezone() - timedelta(seconds=4)).isoformat(), text=text)
    return event


def reading(second: int) -> Sample:
    """What the sensors of a Spark say while the tiny model runs."""
    used = round((9.4 + min(1.4, second / 300)) * GIB)
    readings = {
        "gpu": GpuReading(
            name="NVIDIA GB10", util_percent=30 + 7 * (second // 5 % 5), sm_clock_mhz=2380 + 8 * (second % 7),
            max_sm_clock_mhz=3003, temperature_c=46 + second // 200, power_w=21.0 + second // 5 % 6, unified=True,
        ),
        "memory": MemoryReading(
            pool=Pool.UNIFIED, total_bytes=round(119.7 * GIB), used_bytes=used,
            available_bytes=round(119.7 * GIB) - used, weights_bytes=2**20, ours_bytes=round(1.9 * GIB),
            spare_bytes=round(0.3 * GIB), peak_bytes=round(2.1 * GIB), page_cache_bytes=round(3.1 * GIB),
            swap_used_bytes=0, swap_total_bytes=16 * GIB,
        ),
        "disk": DiskReading(
            (FileSystem(("results", "cache", "state"), "/data", 4 * 2**40, round(1.7 * 2**40)),),
            result_bytes=41 * GIB, models=(("SkyReels-V3-R2V-14B", 52 * GIB), ("SkyReels-V3-A2V-19B", 42 * GIB)),
        ),
        "health": HealthReading(),
    }  # fmt: skip
    return Sample(float(second), readings)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for the app to get there."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await pilot.pause(0.02)


async def run_to_step(app: StillApp, pilot: Pilot[None]) -> None:
    """Queue the jobs and wait until the first one stands at its fifth step with a picture."""
    await until(pilot, lambda: app.service is not None and app.monitor is not None)
    if app.service is None or app.monitor is None:
        raise RuntimeError("the app did not start its engine")
    app.monitor.stop()
    if app.forecaster is not None:
        app.forecaster.stop()
    for label in LABELS:
        await asyncio.to_thread(app.service.actions.add, REQUEST, label=label)
    app.service.actions.hold(app.service.jobs()[-1].id)
    await until(pilot, lambda: (at := app.board.progress) is not None and at.progress.step == HELD_AT)


def feed(app: StillApp) -> None:
    """Ten minutes of sensor readings."""
    running = next(job for job in app.board.jobs if job.state is JobState.RUNNING)
    waiting = tuple((job.id, JOB_S) for job in app.board.jobs if job.state is JobState.QUEUED)
    plan = running.task.plan(running.request)
    left = JOB_S * (len(waiting) + 1)
    queue = QueueForecast(waiting, left, 4 * plan.output_bytes, running=RunningJob(running, plan))
    app.on_forecasted(Forecasted(queue))
    for second in range(0, 600, 5):
        app.on_sampled(Sampled(reading(second)))


async def draw(home: Path) -> dict[str, str]:
    """Return file name -> SVG of the home screen, one a size."""
    folders = find_folders({"SKYREELS_TUI_HOME": str(home)})
    executor = HeldExecutor(folders)
    services = Services(
        folders,
        Settings(result_dir="result"),
        home / "result",
        lambda: executor,
        clock=lambda: 0.0,
        wall_clock=lambda: NOW,
    )
    app = StillApp(services)
    svgs = {}
    async with app.run_test(size=SIZES[0]) as pilot:
        await run_to_step(app, pilot)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            feed(app)
            await pilot.pause()
            await pilot.pause()
            svg = app.export_screenshot(title=f"skyreels-tui {width}x{height}")
            # Class names and identifiers are random: fixed ones keep a repeated run free of changes.
            svgs[f"home-{width}x{height}.svg"] = re.sub(r"terminal-\d+", f"home-{width}", svg)
        executor.go_on.set()
        if app.service is not None:
            await asyncio.to_thread(app.service.close)
    return svgs


def main() -> None:
    """Write every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    os.environ.update(TZ="UTC", TERM="xterm-256color", COLORTERM="truecolor")
    shutil.copytree(SAMPLES, FOLDER, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as home, patch("platform.node", lambda: "spark-01"):
        for name, svg in asyncio.run(draw(Path(home))).items():
            (TARGET / name).write_text(svg, encoding="utf-8")
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from skyreels_tui.app.sensors import build_monitor
from skyreels_tui.eta.forecast import RETRY_READINGS, Forecast
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors.cpu import CpuSensor
from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.health import HealthSensor
from skyreels_tui.monitors.memory import MemorySensor
from skyreels_tui.monitors.monitor import Monitor, Sensors
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job, JobState
from tests.live.conftest import job_of
from tests.live.fake_nvml import FakeNvml, spark


class BrokenDriver:
    """A binding that breaks in a way that no NVML error describes."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("the driver answered nonsense")


def sensors(tmp_path: Path, nvml: Any, forecast: Forecast | None = None) -> Sensors:
    gpu = GpuSensor(lambda: nvml)
    return Sensors(gpu, MemorySensor(), DiskSensor({"results": tmp_path}), CpuSensor(), HealthSensor(), forecast)


def test_one_broken_sensor_leaves_the_others_their_figures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor(sensors(tmp_path, BrokenDriver()), lambda _: None)
    first, second = monitor.sample(), monitor.sample()
    for sample in (first, second):
        assert sample.gpu is None
        assert sample.errors == ("gpu: the driver answered nonsense",)
        assert sample.memory is not None
        assert sample.disk is not None
        assert sample.disk.file_systems[0].free_bytes > 0
    assert caplog.text.count("the gpu sensor failed") == 1, "said once"
    assert "Traceback" in caplog.text


def test_the_thread_publishes_until_it_is_stopped(tmp_path: Path) -> None:
    samples: list[Sample] = []
    enough = threading.Event()

    def publish(sample: Sample) -> None:
        samples.append(sample)
        if len(samples) >= 3:
            enough.set()

    progress = JobProgress(12, None, 0.0)  # type: ignore[arg-type]
    nvml = FakeNvml(spark())
    monitor = Monitor(sensors(tmp_path, nvml), publish, lambda: progress, interval_s=0.06)
    monitor.start()
    assert enough.wait(20.0)
    monitor.stop()
    seen = len(samples)
    assert samples[0].gpu is not None
    assert samples[0].gpu.name == "NVIDIA GB10"
    assert not any(thread.name == "monitor" for thread in threading.enumerate())
    assert len(samples) == seen
    assert nvml.calls[-1] == "shutdown"


def test_forecast_adds_up_what_waits(tmp_path: Path, photo: str) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA GB10")
    running = job_of(photo, state=JobState.RUNNING)
    waiting = [
        job_of(photo, id=13),
        job_of(photo, id=14, state=JobState.INTERRUPTED, step=4, num_steps=8, num_segments=1),
    ]
    others = [job_of(photo, id=15, state=JobState.HELD), job_of(photo, id=16, state=JobState.DONE)]
    unreadable = job_of(str(tmp_path / "gone.png"), id=17)
    progress = JobProgress(12, None, 60.0, left_s=100.0)  # type: ignore[arg-type]
    jobs = [running, *waiting, *others, unreadable]
    forecast = Forecast(lambda: jobs, book, lambda: progress).read()
    plan = running.task.plan(running.request)
    whole = book.estimate(running.task_type, plan).total_s
    assert dict(forecast.job_seconds) == pytest.approx({13: whole, 14: whole / 2})
    assert forecast.total_seconds == pytest.approx(100.0 + 1.5 * whole)
    assert forecast.needs_bytes == 3 * plan.output_bytes + 2 * plan.work_bytes
    assert forecast.unknown == 1
    assert dict(forecast.held_seconds) == pytest.approx({15: whole}), "known, though in no sum"
    assert forecast.unreadable == {17}
    assert forecast.running is not None
    assert (forecast.running.job.id, forecast.running.plan) == (12, plan)


def test_a_file_that_is_put_back_is_seen(tmp_path: Path, photo: str) -> None:
    moved = Path(photo).rename(tmp_path / "elsewhere.png")
    jobs: list[Job] = [job_of(photo)]
    forecast = Forecast(lambda: jobs, EtaBook(tmp_path / "rates.json"))
    assert forecast.read().unknown == 1
    moved.rename(photo)
    readings = [forecast.read().unknown for _ in range(RETRY_READINGS)]
    assert readings[-1] == 0


def test_the_built_monitor_reads_this_machine(folders: Folders, tmp_path: Path) -> None:
    sample = build_monitor(folders, tmp_path / "result", lambda _: None).sample()
    assert sample.errors == ()
    assert sample.memory is not None
    assert sample.memory.total_bytes
    assert sample.memory.ours_bytes
    assert sample.gpu is not None
    assert sample.gpu.name or sample.gpu.problem
    assert sample.queue is not None

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipelines.front.errors import PipelineError
from pipelines.front.progress import Progress, Stage
from skyreels_tui.app.sensors import build_monitor
from skyreels_tui.app.services import Services
from skyreels_tui.eta.forecast import RETRY_READINGS, Forecast, QueueForecast
from skyreels_tui.eta.forecaster import Forecaster
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors import SENSORS
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.monitors.sample import Read, Sample
from skyreels_tui.monitors.surroundings import Surroundings
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.requests.planning import plan_of
from skyreels_tui.settings.settings import Settings
from tests.live.conftest import job_of
from tests.live.fake_nvml import FakeNvml, spark


@pytest.fixture
def services(folders: Folders, tmp_path: Path) -> Services:
    return Services(folders, Settings(), tmp_path / "result")


class BrokenDriver:
    """A binding that breaks in a way that no NVML error describes."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("the driver answered nonsense")


def sensors(tmp_path: Path, nvml: Any) -> tuple[list[tuple[str, Read]], ExitStack]:
    """The table's own sensors over a scripted driver, and what closes them."""
    gpu, of = GpuSensor(lambda: nvml), Surroundings(roles={"results": tmp_path})
    of.closing.callback(gpu.close)
    reads = {name: build(of) for name, build in SENSORS}
    return list({**reads, "gpu": lambda _: gpu.read()}.items()), of.closing


def test_one_broken_sensor_leaves_the_others_their_figures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor(sensors(tmp_path, BrokenDriver())[0], lambda _: None)
    first, second = monitor.sample(), monitor.sample()
    for sample in (first, second):
        assert sample.gpu is None
        assert sample.errors == {"gpu": "the driver answered nonsense"}
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

    nvml = FakeNvml(spark())
    reads, closing = sensors(tmp_path, nvml)
    monitor = Monitor(reads, publish, lambda: True, interval_s=0.06, closing=closing)
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
        job_of(photo, id=14, state=JobState.BLOCKED, reason=because(Code.WAITS_FOR_JOB, id=13)),
    ]
    # What runs only when a person says so makes no end of the queue.
    others = [
        job_of(photo, id=15, state=JobState.HELD),
        job_of(photo, id=16, state=JobState.DONE),
        job_of(photo, id=18, state=JobState.INTERRUPTED, step=4, num_steps=8, num_segments=1),
        job_of(photo, id=19, state=JobState.BLOCKED, reason=because(Code.JOB_FAILED, id=3)),
    ]
    unreadable = job_of(str(tmp_path / "gone.png"), id=17)
    progress = JobProgress(12, None, 60.0, left_s=100.0)  # type: ignore[arg-type]
    jobs = [running, *waiting, *others, unreadable]
    forecast = Forecast(lambda: jobs, book, lambda: [progress]).read()
    plan = running.task.plan(running.request)
    whole = book.estimate(running.task_type, plan).total_s
    assert dict(forecast.job_seconds) == pytest.approx({13: whole, 14: whole})
    assert forecast.total_seconds == pytest.approx(100.0 + 2 * whole)
    assert forecast.needs_bytes == 3 * plan.output_bytes + 2 * plan.work_bytes
    assert forecast.unknown == 1
    assert dict(forecast.held_seconds) == pytest.approx({15: whole, 18: whole / 2, 19: whole}), (
        "known, though in no sum"
    )
    assert forecast.unreadable == {17}
    assert forecast.running is not None
    assert (forecast.running.job.id, forecast.running.plan) == (12, plan)


def test_what_is_being_cancelled_holds_up_nothing(tmp_path: Path, photo: str) -> None:
    progress = JobProgress(12, None, 60.0, left_s=100.0)  # type: ignore[arg-type]
    running = [job_of(photo, state=JobState.RUNNING)]
    forecast = Forecast(lambda: running, EtaBook(tmp_path / "rates.json"), lambda: [progress])
    assert forecast.read().total_seconds == pytest.approx(100.0, abs=5.0)
    running[0] = job_of(photo, state=JobState.RUNNING, cancel_requested=True)
    assert forecast.read().total_seconds == 0.0


def test_the_end_of_the_queue_stands_still_between_two_reports(tmp_path: Path, photo: str) -> None:
    now = [0.0]
    reports = [JobProgress(12, None, 60.0, left_s=400.0)]  # type: ignore[arg-type]
    jobs = [job_of(photo, state=JobState.RUNNING)]
    forecast = Forecast(lambda: jobs, EtaBook(tmp_path / "rates.json"), lambda: [reports[-1]], lambda: now[0])
    ends = []
    for second in range(0, 270, 10):
        now[0] = float(second)
        ends.append(second + forecast.read().total_seconds)
    assert ends == pytest.approx([400.0] * len(ends)), "no step was reported, and no second is counted twice"
    reports.append(JobProgress(12, None, 330.0, left_s=150.0))  # type: ignore[arg-type]
    assert forecast.read().total_seconds == pytest.approx(150.0)
    now[0] += 1000
    assert forecast.read().total_seconds == 0.0, "never less than nothing"


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
    assert sample.errors == {}
    assert sample.memory is not None
    assert sample.memory.total_bytes
    assert sample.memory.ours_bytes
    assert sample.gpu is not None
    assert sample.gpu.name or sample.gpu.problem


class BrokenQueue:
    """Lists jobs only every other time."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs, self.asked = jobs, 0

    def __call__(self) -> list[Job]:
        self.asked += 1
        if self.asked % 2:
            raise PipelineError("the queue is busy")
        return self.jobs


def raising(_: object) -> object:
    raise OSError("the driver hung")


def ends_the_thread(_: object) -> object:
    raise SystemExit


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", [name for name, _ in SENSORS])
@pytest.mark.parametrize("broken", [raising, ends_the_thread], ids=lambda broken: broken.__name__)
def test_no_sensor_takes_the_times_with_it(name: str, broken: Read, services: Services, photo: str) -> None:
    running = job_of(photo, state=JobState.RUNNING)
    waiting = job_of(photo, id=13)
    progress = JobProgress(12, Progress(Stage.DENOISE, 4, 8), 60.0, (7.0, 8.0), left_s=100.0)
    heard, came = [], threading.Event()

    def publish(queue: QueueForecast) -> None:
        heard.append(queue)
        came.set()

    forecaster = services.forecaster(publish, jobs=lambda: [running, waiting], progress=lambda: [progress])
    sound = [(known, broken if known == name else build(Surroundings())) for known, build in SENSORS]
    monitor = Monitor(sound, lambda _: None, lambda: True, interval_s=0.06)
    monitor.start()
    forecaster.start()
    assert came.wait(20.0)
    monitor.stop()
    forecaster.stop()
    whole = services.rates.estimate(waiting.task_type, plan_of(waiting)).total_s
    assert heard[-1].total_seconds == pytest.approx(100.0 + whole)
    assert dict(heard[-1].job_seconds) == {13: pytest.approx(whole)}
    assert not any(thread.name == "forecast" for thread in threading.enumerate())


def test_a_queue_that_cannot_be_read_for_a_moment_is_forecast_again(tmp_path: Path, photo: str) -> None:
    heard: list[QueueForecast] = []
    came = threading.Event()

    def publish(queue: QueueForecast) -> None:
        heard.append(queue)
        if len(heard) >= 2:
            came.set()

    jobs = BrokenQueue([job_of(photo, state=JobState.RUNNING)])
    forecaster = Forecaster(Forecast(jobs, EtaBook(tmp_path / "rates.json")), publish, interval_s=0.02)
    forecaster.start()
    assert came.wait(20.0)
    forecaster.stop()
    assert jobs.asked >= 4
    assert all(queue.running is not None for queue in heard)

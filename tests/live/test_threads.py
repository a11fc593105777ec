"""The threads beside the queue survive what is outside them, say it once, pause, go on; one that hangs is named."""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from pipelines.front.errors import DiskFull, PipelineError
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.changes import Changes
from skyreels_tui.app.sensors import installed_models
from skyreels_tui.app.services import Services
from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.eta.forecaster import Forecaster
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.files.app_log import log_to_file
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.watching.follower import Follower
from skyreels_tui.settings.settings import Settings
from tests.live.conftest import job_of

WAIT_S = 20.0
PAUSE_S = 0.02
ERRORS = {
    "no room": OSError(errno.ENOSPC, "No space left on device"),
    "I/O error": OSError(errno.EIO, "Input/output error"),
    "no permission": PermissionError(errno.EACCES, "Permission denied"),
    "too slow": TimeoutError("the share does not answer"),
    "driver": RuntimeError("the driver hung"),
    "odd value": ValueError("embedded null byte"),
    "missing": KeyError("frames"),
    "too deep": RecursionError("maximum recursion depth exceeded"),
    "memory": MemoryError(),
    "by zero": ZeroDivisionError("division by zero"),
    "database": sqlite3.OperationalError("disk I/O error"),
    "said in words": PipelineError("the queue is busy"),
    "disk full": DiskFull(Path("/"), 10, 1),
}
FEW = ("no room", "driver", "missing", "said in words")


class Troubled:
    """Does what it is for, except that it raises twice after the first time; knows when it was asked."""

    def __init__(self, error: Exception, answer: Callable[..., Any]) -> None:
        self._error, self._answer = error, answer
        self.asked_at: list[float] = []
        self.over = threading.Event()

    def __call__(self, *values: Any) -> Any:
        self.asked_at.append(time.monotonic())
        if len(self.asked_at) in (2, 3):
            raise self._error
        if len(self.asked_at) > 3:
            self.over.set()
        return self._answer(*values)


def paused_between(asked_at: list[float]) -> bool:
    """Whether no try followed a failed one at once."""
    return all(later - before >= PAUSE_S * 0.9 for before, later in pairwise(asked_at[1:4]))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("place", "error"), [*product(["sensor"], ERRORS), *product(["publish", "busy"], FEW)])
def test_the_monitor_survives(place: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
    outside = {"sensor": lambda _: 1, "publish": lambda _: None, "busy": lambda: True}
    outside[place] = troubled = Troubled(ERRORS[error], outside[place])
    monitor = Monitor([("weather", outside["sensor"])], outside["publish"], outside["busy"], PAUSE_S)
    monitor.start()
    assert troubled.over.wait(WAIT_S), "it goes on"
    monitor.stop()
    assert len(said(caplog)) == 1, "said once"
    assert paused_between(troubled.asked_at)


@pytest.mark.parametrize(
    ("place", "error"), [*product(["jobs"], ERRORS), *product(["progress", "gpu", "publish"], FEW)]
)
def test_the_forecaster_survives(
    place: str, error: str, tmp_path: Path, photo: str, caplog: pytest.LogCaptureFixture
) -> None:
    running = job_of(photo, state=JobState.RUNNING)
    outside = {"jobs": lambda: [running], "progress": lambda: (), "gpu": lambda: "", "publish": lambda _: None}
    outside[place] = troubled = Troubled(ERRORS[error], outside[place])
    forecast = Forecast(outside["jobs"], EtaBook(tmp_path / "rates.json", outside["gpu"]), outside["progress"])
    forecaster = Forecaster(forecast, outside["publish"], interval_s=PAUSE_S)
    forecaster.start()
    assert troubled.over.wait(WAIT_S), "it goes on"
    forecaster.stop()
    assert len(said(caplog)) == 1 and said(caplog)[0].startswith("no forecast"), "said once"
    assert paused_between(troubled.asked_at)


@pytest.mark.parametrize("error", ERRORS)
def test_a_plan_that_raises_hides_no_other(
    error: str, tmp_path: Path, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = job_of(photo, id=13, label="bad"), job_of(photo, id=14, request_json=job_of(photo).request_json + " ")
    plan = bad.task.plan
    asked: list[object] = []

    def plan_or_raise(request: Any) -> Any:
        asked.append(request)
        if len(asked) == 1:
            raise ERRORS[error]
        return plan(request)

    spec = type(bad.task)
    monkeypatch.setattr(spec, "plan", lambda _, request: plan_or_raise(request))
    queue = Forecast(lambda: [bad, good], EtaBook(tmp_path / "rates.json")).read()
    assert queue.unreadable == {13}
    assert [job_id for job_id, _ in queue.job_seconds] == [14]


@pytest.mark.parametrize("error", ERRORS)
def test_changes_survive(error: str) -> None:
    answers: list[PipelineError | None] = []
    both = threading.Event()

    def answer(refused: PipelineError | None) -> None:
        answers.append(refused)
        if len(answers) == 2:
            both.set()

    def fails() -> None:
        raise ERRORS[error]

    changes = Changes(lambda said: said(), lambda _: None)
    changes.ask(fails, answer)
    changes.ask(lambda: None, answer)
    assert both.wait(WAIT_S)
    assert changes.close(WAIT_S) == 0
    assert answers[0] is not None and str(answers[0]), "refused in words"
    assert answers[1] is None, "the one behind it was carried out"


@pytest.mark.parametrize("error", [name for name in ERRORS if isinstance(ERRORS[name], OSError)])
def test_the_follower_of_a_lone_panel_survives(
    error: str, folders: Folders, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(folders, lambda _: None, interval_s=PAUSE_S)
    troubled = Troubled(ERRORS[error], follower.owner_pid)
    monkeypatch.setattr(follower, "owner_pid", troubled)
    follower.start()
    assert troubled.over.wait(WAIT_S), "it goes on"
    follower.stop()
    assert len(said(caplog)) == 1, "said once"


def test_a_log_on_a_full_disk_ends_no_thread(folders: Folders, tmp_path: Path, photo: str) -> None:
    (folders.logs / "app.log").symlink_to("/dev/full")
    handler = log_to_file(folders)
    try:
        reading = Troubled(OSError(errno.EIO, "Input/output error"), lambda _: 1)
        listing = Troubled(OSError(errno.EIO, "Input/output error"), lambda: [job_of(photo, state=JobState.RUNNING)])
        monitor = Monitor([("weather", reading)], lambda _: None, lambda: True, interval_s=0.05)
        forecaster = Forecaster(Forecast(listing, EtaBook(tmp_path / "rates.json")), lambda _: None, PAUSE_S)
        monitor.start()
        forecaster.start()
        assert reading.over.wait(WAIT_S) and listing.over.wait(WAIT_S)
        monitor.stop()
        forecaster.stop()
    finally:
        logging.getLogger("skyreels_tui").removeHandler(handler)
        handler.close()


# Heartbeats


class Hang:
    """An outside that does not answer until it is let go."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> object:
        self.reached.set()
        self.go_on.wait(WAIT_S)
        return self._answer


def hanging_monitor(hang: Hang, beat: Callable[[float], object], _: Path) -> Callable[[], object]:
    monitor = Monitor([("weather", hang)], lambda _: None, interval_s=0.05, beat=beat)
    monitor.start()
    return monitor.stop


def hanging_forecaster(hang: Hang, beat: Callable[[float], object], folder: Path) -> Callable[[], object]:
    forecast = Forecast(lambda: hang() or (), EtaBook(folder / "rates.json"))  # type: ignore[arg-type, return-value]
    forecaster = Forecaster(forecast, lambda _: None, interval_s=0.05, beat=beat)
    forecaster.start()
    return forecaster.stop


def hanging_changes(hang: Hang, beat: Callable[[float], object], _: Path) -> Callable[[], object]:
    changes = Changes(lambda said: said(), lambda _: None, beat)
    changes.ask(hang, lambda _: None)
    return changes.close


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("begin", [hanging_monitor, hanging_forecaster, hanging_changes], ids=lambda one: one.__name__)
def test_a_thread_that_hangs_is_late_until_it_goes_on(
    begin: Callable[..., Callable[[], object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skyreels_tui.app.changes.IDLE_S", 0.02)
    now, hang = [0.0], Hang(None)
    beats = Heartbeats(lambda: now[0])
    end = begin(hang, partial(beats.beat, "it"), tmp_path)
    assert hang.reached.wait(WAIT_S)
    assert beats.late() == ()
    now[0] = 1000.0
    assert beats.late() == ("it",)
    hang.go_on.set()
    wait_until(lambda: beats.late() == ())
    now[0] = 2000.0
    wait_until(lambda: beats.ages().get("it", (1.0, True))[0] == 0.0)
    end()
    assert beats.ages() == {}, "it has ended in order"


def test_the_first_reading_of_many_jobs_is_not_late(tmp_path: Path, photo: str) -> None:
    now = [0.0]
    beats = Heartbeats(lambda: now[0])
    late: list[tuple[str, ...]] = []

    def slow(within_s: float) -> None:
        late.append(beats.late())
        beats.beat("forecast", within_s)
        now[0] += 20.0

    came = threading.Event()
    requests = [ReferenceToVideo(prompt="a walk", ref_imgs=(photo,), seed=number).to_json() for number in range(10, 30)]
    jobs = [job_of(photo, id=number, request_json=asked) for number, asked in enumerate(requests, 10)]
    forecaster = Forecaster(Forecast(lambda: jobs, EtaBook(tmp_path / "rates.json")), lambda _: came.set(), beat=slow)
    forecaster.start()
    assert came.wait(WAIT_S)
    forecaster.stop()
    assert len(late) >= 20 and set(late) == {()}


# Settings while it runs


def write_models(folders: Folders, **models: Path | str) -> None:
    lines = "".join(f'{name} = "{folder}"\n' for name, folder in models.items())
    folders.settings_file.parent.mkdir(parents=True, exist_ok=True)
    folders.settings_file.write_text(f"[models]\n{lines}")


async def test_a_running_disk_panel_counts_a_new_model_folder(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("skyreels_tui.monitors.monitor.IDLE_FACTOR", 1)
    monkeypatch.setattr("skyreels_tui.ui.settings_watch.SETTINGS_S", 0.05)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_bytes(b"x" * 5_000_000)
    app = AloneApp("disk", Services(folders, Settings(), tmp_path / "result"))

    def models() -> object:
        sample = app.last_sample
        return None if sample is None or sample.disk is None else dict(sample.disk.models)

    async with app.run_test(size=(80, 12)) as pilot:

        async def until(wanted: object) -> None:
            deadline = time.monotonic() + WAIT_S
            while models() != wanted:
                assert time.monotonic() < deadline, models()
                await pilot.pause(0.02)

        await until({})
        write_models(folders, r2v=tmp_path / "mine", a2v="~nobody-has-this-name/a2v")
        await until({"r2v": 5_000_000})
        folders.settings_file.write_text("= not a settings file")
        while not app.services.settings.warnings:
            await pilot.pause(0.02)
        sample = app.last_sample
        while app.last_sample is sample:
            await pilot.pause(0.02)
        assert models() == {"r2v": 5_000_000}, "a file that is not readable changes nothing"
        write_models(folders)
        await until({})


def test_the_disk_sensor_walks_again_when_models_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_bytes(b"1234")
    now: list[float] = [0.0]
    models: dict[str, Path] = {}
    sensor = DiskSensor({"results": tmp_path}, models=lambda: dict(models), clock=lambda: now[0])
    assert sensor.read().models == ()
    models["a"] = tmp_path / "a"
    assert sensor.read().models == (("a", 4),), "at once"
    (tmp_path / "a" / "weights").write_bytes(b"12345678")
    assert sensor.read().models == (("a", 4),), "sizes are walked rarely"
    now[0] = 61.0
    assert sensor.read().models == (("a", 8),)
    del models["a"]
    assert sensor.read().models == ()


def odd_folders(tmp_path: Path) -> Iterator[str]:
    yield from ("", "~nobody-has-this-name/x", "/dev/null", str(tmp_path / "gone"), "a\0b", "x" * 5000)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    yield str(loop)


def test_an_odd_model_folder_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for odd in odd_folders(tmp_path):
        found = installed_models({"odd": odd, "mine": str(tmp_path / "mine")})
        assert found.get("mine") == tmp_path / "mine", odd

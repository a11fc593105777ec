from __future__ import annotations

import asyncio
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyte
import pytest

from pipelines.front.progress import Stage
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.boot_clock import boot_time
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.watching.follower import Follower
from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.palette import load_theme
from skyreels_tui.ui.panels import PANELS, panel_named

WAIT_S = 20.0
DELAY_S = 1.5


class Heard:
    """What was published, with the moment at which it came."""

    def __init__(self) -> None:
        self.all: list[tuple[float, Event]] = []
        self._came = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._came:
            self.all.append((time.monotonic(), event))
            self._came.notify_all()

    def wait_for(self, condition: Callable[[Event], bool]) -> float:
        """Return when an event came for which the condition holds."""
        with self._came:
            found: list[float] = []

            def find() -> bool:
                found[:] = [at for at, event in self.all if condition(event)][:1]
                return bool(found)

            assert self._came.wait_for(find, WAIT_S), "the event never came"
            return found[0]


Owner = Callable[[], tuple[QueueService, FakeExecutor, Heard]]


@pytest.fixture
def owner(folders: Folders, tmp_path: Path) -> Iterator[Owner]:
    """Starts services that run jobs step by step, one at a time."""
    started: list[tuple[QueueService, FakeExecutor]] = []

    def start() -> tuple[QueueService, FakeExecutor, Heard]:
        executor, heard = FakeExecutor(Script(num_steps=4, preview=True), gated=True), Heard()
        service = QueueService(
            folders, tmp_path / "result", heard, executor=lambda: executor, options=QueueOptions(auto_resume=True)
        )
        started.append((service, executor))
        service.start()
        return service, executor, heard

    yield start
    for service, executor in started:
        executor.open_gate()
        service.close(timeout_s=WAIT_S)


def request(photo: str) -> ReferenceToVideo:
    return ReferenceToVideo(prompt="a walk", ref_imgs=(photo,), resolution="128P", duration=1, profile="demo")


def at_step(step: int) -> Callable[[Event], bool]:
    return lambda event: (
        isinstance(event, JobProgress) and (event.progress.stage, event.progress.step) == (Stage.DENOISE, step)
    )


def in_state(state: JobState) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, JobChanged) and event.job.state is state


def test_every_step_arrives_within_the_promised_delay(owner: Owner, folders: Folders, photo: str) -> None:
    service, executor, mine = owner()
    theirs = Heard()
    follower = Follower(folders, theirs)
    follower.start()
    follower.want_preview()
    service.actions.add(request(photo), label="corridor-A")
    for step in range(1, 4):
        executor.advance()
        told, seen = mine.wait_for(at_step(step)), theirs.wait_for(at_step(step))
        assert seen - told <= DELAY_S
    assert theirs.wait_for(lambda event: isinstance(event, JobProgress) and event.progress.preview is not None)
    executor.advance()
    theirs.wait_for(in_state(JobState.DONE))
    assert theirs.wait_for(lambda event: isinstance(event, LogLine) and "done" in event.text)
    assert follower.progress is None
    follower.stop()


def test_it_outlives_the_owner_and_follows_the_next_one(owner: Owner, folders: Folders, photo: str) -> None:
    service, executor, mine = owner()
    theirs = Heard()
    follower = Follower(folders, theirs)
    follower.start()
    service.actions.add(request(photo))
    executor.advance(2)
    mine.wait_for(at_step(2))
    assert service.close(timeout_s=WAIT_S)
    theirs.wait_for(in_state(JobState.INTERRUPTED))

    theirs.all.clear()
    _, executor, _ = owner()
    executor.advance(1)
    theirs.wait_for(at_step(3))
    executor.advance(1)
    theirs.wait_for(in_state(JobState.DONE))
    follower.stop()


def test_a_row_that_says_running_without_a_living_owner_is_not_believed(
    owner: Owner, folders: Folders, photo: str
) -> None:
    service, executor, mine = owner()
    service.actions.add(request(photo))
    executor.advance(1)
    mine.wait_for(at_step(1))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folders.lock.write_text(f"{gone.pid}\n")
    follower = Follower(folders, Heard())
    follower.poll()
    (job,) = follower.jobs
    assert (job.state, job.reason.code) == (JobState.INTERRUPTED, Code.OWNER_GONE)
    assert follower.progress is None
    folders.lock.write_text(f"{os.getpid()}\n")
    follower.poll()
    assert follower.jobs[0].state is JobState.RUNNING


def test_an_empty_home_is_no_error_and_nothing_is_written(folders: Folders) -> None:
    before = sorted(folders.state.rglob("*"))
    heard = Heard()
    follower = Follower(folders, heard)
    follower.poll()
    assert follower.jobs == ()
    assert [event for _, event in heard.all] == [QueueStatus(is_owner=False)]
    assert sorted(folders.state.rglob("*")) == before


def test_a_quiet_queue_is_not_read_again(owner: Owner, folders: Folders, photo: str) -> None:
    service, _, _ = owner()
    service.actions.pause()
    job = service.actions.add(request(photo))
    heard = Heard()
    follower = Follower(folders, heard)
    follower.poll()
    said = [type(event) for _, event in heard.all if not isinstance(event, LogLine)]
    assert said == [QueueChanged, JobChanged, QueueStatus]
    rows = follower.jobs
    follower.poll()
    assert follower.jobs is rows
    service.actions.rename(job.id, "street")
    follower.poll()
    assert follower.jobs[0].label == "street"


def test_times_are_brought_up_to_now(owner: Owner, folders: Folders, photo: str) -> None:
    service, executor, mine = owner()
    service.actions.add(request(photo))
    executor.advance(1)
    mine.wait_for(at_step(1))
    heard = Heard()
    now = boot_time()
    later = replace(now, seconds=now.seconds + 100)
    # The wall clock may be set meanwhile: by years, there or back.
    for date in (1.0, time.time() + 365 * 86400):
        os.utime(folders.live / "progress.json", (date, date))
        Follower(folders, heard, now=lambda: later).poll()
        event = next(event for _, event in reversed(heard.all) if isinstance(event, JobProgress))
        assert 99 <= event.elapsed_s <= 130


class NoMonitor:
    """Sensors have their own tests."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


async def until(pilot: Any, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await pilot.pause(0.02)


@pytest.mark.parametrize("name", [panel.name for panel in PANELS])
async def test_every_panel_stands_alone(name: str, folders: Folders, tmp_path: Path) -> None:
    app = AloneApp(name, Services(folders, Settings(), tmp_path), monitor=lambda _: NoMonitor())  # type: ignore[arg-type, return-value]
    async with app.run_test(size=(38, 6)) as pilot:
        await pilot.pause()
        assert app.query_one(panel_named(name).load()).size.width > 30
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_lone_preview_asks_the_owner_for_pictures(owner: Owner, folders: Folders, photo: str) -> None:
    service, executor, mine = owner()
    service.actions.add(request(photo))
    executor.advance(1)
    mine.wait_for(at_step(1))
    app = AloneApp("preview", Services(folders, Settings(), folders.state), monitor=lambda _: NoMonitor())  # type: ignore[arg-type, return-value]
    async with app.run_test(size=(60, 10)) as pilot:
        panel = app.query_one(panel_named("preview").load())
        await until(pilot, lambda: app.board.running is not None)
        from skyreels_tui.eta.forecast import QueueForecast, RunningJob

        app.publish_forecast(QueueForecast(running=RunningJob(app.board.running)))  # type: ignore[arg-type]
        await until(pilot, lambda: (folders.live / "preview.want").exists())
        executor.advance(1)
        await until(pilot, lambda: "▀" in panel.render().plain)  # type: ignore[attr-defined]


class PanelProcess:
    """`skyreels-tui panel NAME` in another process, on a terminal that pyte emulates."""

    def __init__(self, home: Path, name: str = "progress", columns: int = 60, lines: int = 8) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._end, inside = pty.openpty()
        environ = {
            **os.environ, "SKYREELS_TUI_HOME": str(home), "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "COLUMNS": str(columns), "LINES": str(lines),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "skyreels_tui", "panel", name],
            stdin=inside, stdout=inside, stderr=inside, env=environ, close_fds=True,
        )  # fmt: skip
        os.close(inside)

    def wait_for(self, words: str) -> float:
        """Feed the emulator until `words` stand on the screen; returns when."""
        return self.wait_until(lambda: words in "\n".join(self.screen.display))

    def wait_until(self, condition: Callable[[], bool]) -> float:
        """Feed the emulator until the condition holds; returns when."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "\n".join(self.screen.display)
            if select.select([self._end], [], [], left)[0]:
                self._stream.feed(os.read(self._end, 65536))
        return time.monotonic()

    def quit(self) -> int:
        """Press q and return the exit code."""
        os.write(self._end, b"q")
        reader = threading.Thread(target=self._drain, daemon=True)
        reader.start()
        return self.process.wait(WAIT_S)

    def _drain(self) -> None:
        try:
            while os.read(self._end, 65536):
                pass
        except OSError:
            # The terminal closes with its last process.
            return


def test_a_second_process_follows_and_survives_a_restart(owner: Owner, folders: Folders, photo: str) -> None:
    service, executor, mine = owner()
    service.actions.add(request(photo), label="corridor-A")
    panel = PanelProcess(folders.state.parent)
    panel.wait_for("corridor-A")
    executor.advance(1)
    told = mine.wait_for(at_step(1))
    assert panel.wait_for("1/4") - told <= DELAY_S
    assert service.close(timeout_s=WAIT_S)
    panel.wait_for("interrupted")
    _, executor, mine = owner()
    executor.advance(2)
    told = mine.wait_for(at_step(3))
    assert panel.wait_for("3/4") - told <= DELAY_S
    assert panel.quit() == 0


def background(panel: PanelProcess) -> str:
    """The colour behind the middle of the panel."""
    return str(panel.screen.buffer[4][30].bg)


@pytest.mark.parametrize("name", [panel.name for panel in PANELS])
def test_a_lone_panel_wears_the_theme_of_the_settings_and_takes_over_a_new_one(folders: Folders, name: str) -> None:
    colours = {theme: str(load_theme(theme).background).removeprefix("#") for theme in ("day", "fjord")}
    change_file(folders.settings_file, Settings(), Settings(theme="day"))
    panel = PanelProcess(folders.state.parent, name)
    panel.wait_until(lambda: background(panel) == colours["day"])
    change_file(folders.settings_file, Settings(theme="day"), Settings(theme="fjord"))
    panel.wait_until(lambda: background(panel) == colours["fjord"])
    assert panel.quit() == 0


def test_a_lone_preview_that_the_settings_turn_off_is_off_until_they_turn_it_on(folders: Folders) -> None:
    change_file(folders.settings_file, Settings(), Settings(preview="off"))
    panel = PanelProcess(folders.state.parent, "preview")
    panel.wait_for("preview is off")
    change_file(folders.settings_file, Settings(preview="off"), Settings(preview="cells"))
    panel.wait_for("nothing is running")
    assert panel.quit() == 0


async def test_a_lone_panel_counts_a_model_folder_of_ones_own(folders: Folders, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "weights.safetensors").write_bytes(bytes(3_000_000))
    change_file(folders.settings_file, Settings(), Settings(models={"r2v": str(own)}))
    app = AloneApp("disk", Services(folders, load(folders.settings_file).settings, tmp_path))
    async with app.run_test(size=(80, 12)) as pilot:
        await until(pilot, lambda: app.last_sample is not None and app.last_sample.disk is not None)
        await until(pilot, lambda: dict(app.last_sample.disk.models).get("r2v", 0) >= 3_000_000)  # type: ignore[union-attr]

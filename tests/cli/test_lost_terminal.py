"""A terminal that goes without a signal, or takes no more for a while: no job is lost and no program stays behind."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from skyreels_tui.cli import main
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.ui.terminal.lasting import LastingWriter
from tests.cli.test_terminal import add_jobs
from tests.terminal import WAIT_S, Terminal
from tests.ui.conftest import SAMPLES


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(folder))
    return folder


def states(home: Path) -> list[JobState]:
    service = QueueService(find_folders({"SKYREELS_TUI_HOME": str(home)}), home / "r", lambda event: None)
    with contextlib.closing(service):
        return sorted(job.state for job in service.jobs())


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        ("stop", [JobState.INTERRUPTED, JobState.QUEUED]),
        ("finish_job", [JobState.DONE, JobState.QUEUED]),
        ("finish_queue", [JobState.DONE, JobState.DONE]),
    ],
)
def test_a_job_goes_on_as_after_a_hang_up(home: Path, setting: str, left: list[JobState]) -> None:
    main(["settings", "set", "hang_up", setting])
    add_jobs(home, str(SAMPLES / "astronaut.jpg"), ("one", "two"), "words")
    terminal = Terminal([["--result-dir", str(home / "r")]], step_s=0.3, home=home)
    terminal.wait_for("1 running", "left")
    assert terminal.vanish() == 0
    assert states(home) == sorted(left)


@pytest.mark.parametrize("words", [["--result-dir", "r"], ["panel", "queue"], ["panel", "gpu"]], ids=" ".join)
def test_nothing_stays_behind_that_shows_a_queue(home: Path, tmp_path: Path, words: list[str]) -> None:
    terminal = Terminal([words], home=home)
    terminal.wait_for("Queue" if "gpu" not in words else "GPU")
    terminal.vanish()


def test_a_terminal_that_takes_no_more_for_a_while_gets_the_whole_screen_later() -> None:
    """Another program on the same terminal may have made it non-blocking, and a slow line reads when it can."""
    there, here = os.pipe()
    os.set_blocking(here, False)
    frames = [f"{number} é ".ljust(60_000, "x") for number in range(20)]
    with os.fdopen(here, "w", encoding="utf-8") as file:
        writer = LastingWriter(file)
        writer.start()
        for frame in frames:
            writer.write(frame)
        stopping = threading.Thread(target=writer.stop)
        stopping.start()
        whole = "".join(frames).encode()
        received = b""
        while len(received) < len(whole):
            received += os.read(there, 5000)
        stopping.join(WAIT_S)
    assert received == whole and not writer.is_alive()


def test_what_is_drawn_for_a_terminal_that_has_gone_holds_nobody_up() -> None:
    there, here = os.pipe()
    with os.fdopen(here, "w", encoding="utf-8") as file:
        writer = LastingWriter(file)
        writer.start()
        os.close(there)
        for _ in range(1000):
            writer.write("a frame")
        writer.stop()
    assert not writer.is_alive()

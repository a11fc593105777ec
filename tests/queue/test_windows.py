"""The real program behind real terminals: two windows on one queue, terminals that close or stop reading."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.service import QueueService
from tests.queue.conftest import make_request
from tests.queue.harness import home_of

LIMIT_S = 60.0
LINES, COLUMNS = 40, 120

PROGRAM = """
import sys
from pathlib import Path
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.app.session import run_app
from skyreels_tui.settings.settings import Settings
from tests.queue.harness import home_of

root = Path(sys.argv[1])
script = Script(num_steps=int(sys.argv[2]), step_s=0.02, preview=True)
folders = home_of(root)
services = Services(folders, Settings(), root / "result", lambda: FakeExecutor(script))
sys.exit(run_app(services, print, auto_resume=True))
"""


class Window:
    """The app on a pseudo-terminal, with the screen that an emulator makes of what it writes."""

    def __init__(self, root: Path, steps: int) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self.end, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

        def make_it_the_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(root), str(steps)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            stdin=inside, stdout=inside, stderr=inside, start_new_session=True, preexec_fn=make_it_the_terminal,
        )  # fmt: skip
        os.close(inside)

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def read(self) -> None:
        """Take what the program has written."""
        if select.select([self.end], [], [], 0.05)[0]:
            try:
                self._stream.feed(os.read(self.end, 1 << 16))
            except OSError as error:
                assert error.errno == errno.EIO

    def until(self, condition: Callable[[], object]) -> None:
        """Read on until the condition holds."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, self.text
            self.read()

    def shows(self, *words: str) -> None:
        self.until(lambda: all(word in self.text for word in words))

    def press(self, keys: str) -> None:
        os.write(self.end, keys.encode())

    def exit_code(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        return int(self.process.returncode)


@pytest.fixture
def queue(tmp_path) -> Iterator[QueueService]:
    """The queue as a third process sees it, to ask the rows themselves."""
    service = QueueService(home_of(tmp_path), tmp_path / "result", lambda _: None)
    service.start()
    yield service
    service.close()


@pytest.fixture
def window(tmp_path) -> Iterator[Callable[[int], Window]]:
    opened: list[Window] = []

    def open_one(steps: int) -> Window:
        opened.append(Window(tmp_path, steps))
        return opened[-1]

    yield open_one
    for one in opened:
        one.process.kill()
        one.process.wait()


def add(queue: QueueService, label: str, **changes) -> Job:
    return queue.actions.add(make_request(**changes), label=label, checked=True)


def state_of(queue: QueueService, job: Job) -> JobState:
    return queue.job(job.id).state


def test_the_second_window_changes_the_queue_and_takes_over(queue, window):
    first = add(queue, "alpha")
    owner = window(100_000)
    owner.until(lambda: queue.job(first.id).step > 1)
    second, third, fourth = (add(queue, name) for name in ("beta", "gamma", "delta"))
    viewer = window(3)
    viewer.shows("alpha", "beta", "gamma", "delta", "running")
    place = [job.id for job in queue.jobs()]
    viewer.press("j")
    viewer.press("J")
    viewer.until(lambda: [job.id for job in queue.jobs()] == [place[0], place[2], place[1], place[3]])
    viewer.press(" ")
    viewer.until(lambda: state_of(queue, second) is JobState.HELD)
    viewer.press("G")
    viewer.press("x")
    viewer.until(lambda: state_of(queue, fourth) is JobState.CANCELLED or "y" in _asked(viewer))
    viewer.until(lambda: state_of(queue, fourth) is JobState.CANCELLED)
    step = queue.job(first.id).step
    owner.process.kill()
    owner.process.wait()
    # The scripted job of the second window is shorter, so the stored step is past its end.
    viewer.until(lambda: state_of(queue, first) is JobState.DONE)
    viewer.until(lambda: state_of(queue, third) is JobState.DONE)
    assert queue.job(first.id).attempts == 2 and step > 1
    assert state_of(queue, second) is JobState.HELD
    viewer.press("q")
    assert viewer.exit_code() == 0


def _asked(viewer: Window) -> str:
    """Answer a question that stands on the screen."""
    if "?" in viewer.text and "Esc" in viewer.text:
        viewer.press("y")
        return "y"
    return ""


def test_a_terminal_that_closes_leaves_the_job_and_the_next_window_shows_it(queue, window):
    first, second = add(queue, "alpha"), add(queue, "beta")
    lost = window(200)
    lost.until(lambda: queue.job(first.id).step > 1)
    os.close(lost.end)
    step = queue.job(first.id).step
    again = window(2)
    again.shows("alpha", "running")
    again.until(lambda: queue.job(first.id).step > step or state_of(queue, first) is JobState.DONE)
    again.until(lambda: state_of(queue, first) is JobState.DONE)
    assert queue.job(first.id).attempts == 1, "the engine went on without its terminal"
    assert lost.process.wait(LIMIT_S) == 0
    # The first process ended after its job, as the default says; the window that came takes the next one.
    again.until(lambda: state_of(queue, second) is JobState.DONE)
    again.press("q")
    assert again.exit_code() == 0


def test_a_terminal_that_nobody_reads_does_not_stop_the_engine(queue, window):
    """And when it closes in that state, the program ends after its job like any other."""
    first, second = add(queue, "alpha"), add(queue, "beta")
    unread = window(120)
    ended = queue.wait(first.id, LIMIT_S)
    assert ended.state == JobState.DONE, f"step {ended.step}"
    assert select.select([unread.end], [], [], 0)[0], "there was something to read all the time"
    os.close(unread.end)
    assert unread.process.wait(LIMIT_S) == 0
    assert state_of(queue, first) is JobState.DONE
    assert state_of(queue, second) in (JobState.QUEUED, JobState.DONE)


def test_leaving_with_a_job_running_asks_and_keeps_the_step(queue, window):
    job = add(queue, "alpha")
    one = window(100_000)
    one.until(lambda: queue.job(job.id).step > 1)
    one.press("q")
    one.shows("is running", "stop at the next step")
    one.press("s")
    assert one.exit_code() == 0
    left = queue.job(job.id)
    assert left.state == JobState.INTERRUPTED and left.step > 1
    stored = home_of(queue.folders.state.parents[1]).jobs / str(job.id) / "fake.json"
    assert stored.read_text() == f'{{"step": {left.step}}}'

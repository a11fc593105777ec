"""Signals in a child with a scripted executor: the step edge, the second Ctrl+C, a terminal that is gone."""

from __future__ import annotations

import os
import pty
import signal
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.engine.signals import AT_ONCE_CODE, StopSignals, handled
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueOptions, QueueService
from tests.queue.conftest import WAIT_S, make_request
from tests.queue.harness import home_of, jobs_left


def start_child(root: Path, executor: FakeExecutor, on_hang_up: str = "finish_job") -> tuple[int, int]:
    """A program with the handlers installed; a byte comes through the pipe at each denoising step."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:

        def publish(event) -> None:
            if isinstance(event, JobProgress) and event.progress.stage == Stage.DENOISE and event.progress.step:
                os.write(writing, b"s")

        service = QueueService(
            home_of(root),
            root / "result",
            publish,
            executor=lambda: executor,
            options=QueueOptions(on_hang_up=on_hang_up),  # type: ignore[arg-type]
        )
        ended, gone = threading.Event(), threading.Event()

        def hang_up() -> None:
            service.hang_up()
            gone.set()
            ended.set()

        with handled(stop=StopSignals(ended.set, service.give_up), hang_up=hang_up):
            service.actions.add(make_request(), label="one", checked=True)
            service.actions.add(make_request(), label="two", checked=True)
            service.start()
            ended.wait(WAIT_S)
            if gone.is_set():
                service.wait_ended()
            service.close()
        code = 0
    except BaseException:
        (root / "child.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_at_the_step_edge_and_keeps_the_step(tmp_path, number):
    child, steps = start_child(tmp_path, FakeExecutor(Script(num_steps=500, step_s=0.005)))
    assert os.read(steps, 1) == b"s"
    os.kill(child, number)
    assert exit_code(child) == 0
    one, two = jobs_left(tmp_path)
    assert one.state == JobState.INTERRUPTED and one.step >= 1
    stored = (home_of(tmp_path).jobs / str(one.id) / "fake.json").read_text()
    assert stored == f'{{"step": {one.step}}}'
    assert two.state == JobState.QUEUED


def test_a_second_ctrl_c_leaves_at_once_and_keeps_the_steps(tmp_path):
    """The step here takes a minute: leaving does not wait for it."""
    deep, in_the_step = os.pipe()
    child, _ = start_child(tmp_path, FakeExecutor(SlowSecondStep(in_the_step)))
    assert os.read(deep, 1) == b"w"
    os.kill(child, signal.SIGINT)
    # Two signals may become one while the first is not yet seen, so the second goes until the child is gone.
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        os.kill(child, signal.SIGINT)
    assert exit_code(child) == AT_ONCE_CODE
    one = jobs_left(tmp_path)[0]
    assert one.state == JobState.INTERRUPTED and one.step == 1 and one.reason.code is Code.STOPPED_AT_ONCE


def test_more_signals_than_two_do_not_end_the_note_of_the_second() -> None:
    """Whoever hammers on Ctrl+C gets the job marked all the same."""
    noted, here = os.pipe()
    child = os.fork()
    if child == 0:

        def note() -> None:
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
            os.write(here, b"noted")

        with handled(stop=StopSignals(lambda: None, note)):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
    os.close(here)
    assert exit_code(child) == AT_ONCE_CODE
    assert os.read(noted, 10) == b"noted"


class SlowSecondStep:
    """A script whose first step is quick; each other one says so in a pipe and takes a minute."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __call__(self, _context):
        tell = iter([None])

        class Slow(Script):
            @property
            def step_s(slow) -> float:
                if next(tell, self) is None:
                    return 0.0
                os.write(self._pipe, b"w")
                return 60.0

            @step_s.setter
            def step_s(slow, _value: float) -> None:
                return

        return Slow(num_steps=4)


@pytest.mark.parametrize(
    ("setting", "states"),
    [("finish_job", ["done", "queued"]), ("finish_queue", ["done", "done"]), ("stop", ["interrupted", "queued"])],
)
def test_a_terminal_that_goes_away_leaves_the_engine_to_its_setting(tmp_path, setting, states):
    """The child has a real pty whose other end is closed, which sends SIGHUP; it keeps writing to it."""
    reading, writing = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)

            def publish(event) -> None:
                # Refused between the end of the terminal and the signal that tells of it, as the shell's lines are.
                with suppress(OSError):
                    os.write(1, b"x" * 200)
                if isinstance(event, JobProgress) and event.progress.step:
                    os.write(writing, b"s")

            script = Script(num_steps=30, step_s=0.005)
            service = QueueService(
                home_of(tmp_path),
                tmp_path / "result",
                publish,
                executor=lambda: FakeExecutor(script),
                options=QueueOptions(on_hang_up=setting),
            )
            gone = threading.Event()

            def hang_up() -> None:
                service.hang_up()
                gone.set()

            with handled(hang_up=hang_up):
                service.actions.add(make_request(), label="one", checked=True)
                service.actions.add(make_request(), label="two", checked=True)
                service.start()
                gone.wait(WAIT_S)
                service.wait_ended()
                service.close()
            code = 0
        except BaseException:
            (tmp_path / "child.txt").write_text(traceback.format_exc())
        finally:
            os._exit(code)
    os.close(writing)
    assert os.read(reading, 1) == b"s"
    os.close(terminal)
    code = exit_code(pid)
    said = tmp_path / "child.txt"
    assert code == 0, said.read_text() if said.exists() else ""
    assert sorted(job.state.value for job in jobs_left(tmp_path)) == sorted(states)
    os.close(reading)

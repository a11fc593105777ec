"""The watchdog and admission in a running queue, against a made-up sensor."""

import threading
import time

import pytest

from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.engine.attempt.cancel import CancelToken, Why
from skyreels_tui.queue.engine.limits.watchdog import Watchdog
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code, because
from tests.queue.conftest import Events, folders, make_request, open_service  # noqa: F401

GIB = 2**30


class Stops:
    def __init__(self):
        self.seen = []

    def __call__(self, reason, urgent):
        self.seen.append((reason.code, urgent))


@pytest.mark.parametrize(
    ("available", "running", "stops"),
    [
        (9 * GIB, True, []),
        (7 * GIB, False, []),
        (None, True, []),
        (7 * GIB, True, [("memory", False)]),
        (3 * GIB, True, [("memory", True)]),
    ],
)
def test_one_reading(available, running, stops):
    stop = Stops()
    Watchdog(lambda: available, 8 * GIB, lambda: running, stop).look()
    assert stop.seen == stops


def test_the_thread_looks_until_its_clock_says_so():
    readings, stop = iter([9 * GIB, 9 * GIB, 1 * GIB]), Stops()
    ticks = iter([False, False, False, True])
    dog = Watchdog(lambda: next(readings), 8 * GIB, lambda: True, stop, wait=lambda _: next(ticks))
    dog.start()
    dog.close()
    assert stop.seen == [("memory", True)]


def test_only_what_is_not_wanted_stops_inside_a_step():
    from pipelines.front.errors import Cancelled

    token = CancelToken()
    token.check_inside_step()
    token.stop(Why.STOP, because(Code.PROGRAM_CLOSED))
    token.check_inside_step()
    token.stop(Why.STOP, because(Code.MEMORY), urgent=True)
    with pytest.raises(Cancelled):
        token.check_inside_step()
    cancelled = CancelToken()
    cancelled.stop(Why.CANCEL)
    with pytest.raises(Cancelled):
        cancelled.check_inside_step()


def until(condition, timeout_s=20.0):
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(0.01)


def test_a_job_stops_at_the_floor_and_goes_on_later(open_service):  # noqa: F811
    reading = [20 * GIB]
    executor, events = FakeExecutor(Script(num_steps=4), gated=True), Events()
    service = open_service(executor, events=events, memory_floor_bytes=8 * GIB, available_bytes=lambda: reading[0])
    job = service.actions.add(make_request())
    executor.advance(2)
    until(lambda: service.job(job.id).step == 2)
    reading[0] = 6 * GIB
    until(lambda: service.job(job.id).state is JobState.INTERRUPTED)
    stopped = service.job(job.id)
    assert "memory" in str(stopped.reason)
    assert stopped.step == 2
    assert executor.freed.wait(10)
    reading[0] = 20 * GIB
    service.actions.resume(job.id)
    executor.open_gate()
    done = service.wait(job.id, 20)
    assert done.state is JobState.DONE
    assert executor.began == [job.id, job.id]


def test_a_job_waits_for_memory_with_words_and_starts_when_there_is_some(open_service):  # noqa: F811
    executor, events = FakeExecutor(Script(num_steps=2)), Events()
    executor.waits_for = "needs 61 GiB, 48 available: close other programs or choose fp8 (Low VRAM)"
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    until(lambda: service.status().pause == "memory")
    assert "needs 61 GiB, 48 available" in service.status().message
    assert "needs 61 GiB, 48 available" in str(service.job(job.id).reason)
    assert service.job(job.id).state is JobState.QUEUED
    assert executor.began == []
    executor.waits_for = ""
    done = service.wait(job.id, 20)
    assert done.state is JobState.DONE
    assert "waits" not in str(done.reason)
    assert service.status().pause == ""


class InsideOneStep(FakeExecutor):
    """Never reaches a step edge: asks only between blocks."""

    def __init__(self):
        super().__init__()
        self.inside = threading.Event()

    def run(self, context):
        while True:
            context.poll()
            self.inside.set()
            self._closed.wait(0.01)


def test_a_cancelled_job_does_not_finish_its_step(open_service):  # noqa: F811
    executor = InsideOneStep()
    service = open_service(executor)
    job = service.actions.add(make_request())
    assert executor.inside.wait(20)
    service.actions.cancel(job.id)
    assert service.wait(job.id, 20).state is JobState.CANCELLED


def test_memory_that_falls_fast_does_not_wait_for_the_step_either(open_service):  # noqa: F811
    reading, executor = [20 * GIB], InsideOneStep()
    service = open_service(executor, memory_floor_bytes=8 * GIB, available_bytes=lambda: reading[0])
    job = service.actions.add(make_request())
    assert executor.inside.wait(20)
    reading[0] = 2 * GIB
    assert service.wait(job.id, 20).state is JobState.INTERRUPTED

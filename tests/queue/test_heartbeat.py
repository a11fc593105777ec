"""Threads that do no round in time are named: in the first line of the screen, and by the doctor of any process."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from skyreels_tui.doctor.checks import CheckState, check_threads
from skyreels_tui.doctor.facts import ThreadFacts, facts_json, from_json
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.model import JobState
from tests.queue.conftest import WAIT_S, make_request

MACHINES = sorted((Path(__file__).parents[1] / "cli" / "machines").glob("*.json"))


def test_a_thread_is_late_when_it_breaks_its_promise_and_forgotten_when_it_ends():
    now = [100.0]
    beats = Heartbeats(lambda: now[0])
    beats.beat("a", 5.0)
    beats.beat("b", 50.0)
    now[0] = 106.0
    assert beats.late() == ("a",) and beats.ages()["b"] == (6.0, False)
    beats.beat("a", 5.0)
    assert beats.late() == ()
    now[0] = 200.0
    beats.end("a")
    assert beats.late() == ("b",)


def wait_until(condition) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_inference_thread_that_hangs_is_named_and_other_processes_read_it(open_service, folders, monkeypatch):
    monkeypatch.setattr("skyreels_tui.queue.watch._TELL_THREADS_S", 0.05)
    go_on = threading.Event()

    class Stuck(FakeExecutor):
        def run(self, context):
            go_on.wait(WAIT_S)
            return super().run(context)

    executor = Stuck(Script(num_steps=2))
    service = open_service(executor, busy_late_s=0.1)
    job = service.actions.add(make_request())
    wait_until(lambda: service.beats.late() == ("inference",))
    other = LiveFiles(folders.live)
    wait_until(lambda: ("inference", True) in [(name, late) for name, _, late in other.read_threads()])
    assert ("queue-watch", False) in [(name, late) for name, _, late in other.read_threads()]
    go_on.set()
    assert service.wait(job.id, WAIT_S).state is JobState.DONE
    wait_until(lambda: service.beats.late() == ())


def test_what_the_owner_told_last_grows_old(tmp_path):
    clock = [1000.0]
    live = LiveFiles(tmp_path, lambda: BootTime("", clock[0]))
    assert live.read_threads() == []
    live.write_threads({"inbox": (1.0, False)})
    assert [late for _, _, late in live.read_threads()] == [False]

    os.utime(tmp_path / "threads.json", (0, 0))
    assert [late for _, _, late in live.read_threads()] == [False], "the date is that of a clock that may be set"
    clock[0] += 61
    assert [late for _, _, late in live.read_threads()] == [True]
    (tmp_path / "threads.json").write_text('{"written": {"boot": "", "seconds": 1}, "threads": [[1]]}')
    assert live.read_threads() == []


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_doctor_names_late_threads(path):
    facts = from_json(path.read_text())
    assert list(check_threads(facts)) == []
    fine, late = ThreadFacts("inference", 2.0, False), ThreadFacts("inbox", 95.0, True)
    assert [check.state for check in check_threads(replace(facts, threads=(fine,)))] == [CheckState.OK]
    [check] = check_threads(replace(facts, threads=(fine, late)))
    assert check.state is CheckState.WARN and "inbox" in check.found and "95" in check.found and check.why
    assert from_json(facts_json(replace(facts, threads=(fine, late)))).threads == (fine, late)

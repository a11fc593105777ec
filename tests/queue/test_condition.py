"""One line says what the engine and its job do, the same for owner, viewer, lone panel and shell."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.condition import Doing, condition_data, condition_now, condition_words
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueChanged, QueueStatus
from skyreels_tui.queue.pace import Pace
from skyreels_tui.queue.watching.follower import Follower
from tests.queue.conftest import WAIT_S, Events, entry, make_request

NOW = BootTime("b", 100.0)
OWNER = QueueStatus(is_owner=True, engine="idle")
LOADING = replace(OWNER, engine="warming", since=BootTime("b", 88.0))
RUNNING = replace(OWNER, engine="running")
GIB = 2**30


def report(progress: Progress, **values) -> JobProgress:
    return JobProgress(12, progress, 30.0, **values)


STEP = report(Progress(Stage.DENOISE, 5, 8), pace=Pace(unit_s=60.0, into_s=10.0))


@pytest.mark.parametrize(
    ("status", "runs", "event", "words"),
    [
        (OWNER, False, None, "nothing is running"),
        (QueueStatus(is_owner=True), False, None, "nothing is running"),
        (QueueStatus(is_owner=False), False, None, "nothing is running: skyreels-tui runs the queue"),
        (LOADING, False, None, "loading the engine 12 s"),
        (replace(LOADING, since=BootTime("another boot", 1.0)), False, None, "loading the engine"),
        (replace(LOADING, since=BootTime("b", -500.0)), False, None, "loading the engine 10 min"),
        (RUNNING, True, None, "12 starting"),
        (
            RUNNING,
            True,
            report(Progress(Stage.LOAD, bytes_done=4 * GIB, bytes_total=28 * GIB)),
            "12 load 4 GiB of 28 GiB",
        ),
        (RUNNING, True, report(Progress(Stage.TEXT)), "12 text"),
        (RUNNING, True, report(Progress(Stage.CONDITION)), "12 references"),
        (RUNNING, True, STEP, "12 denoise 5/8"),
        (RUNNING, True, report(Progress(Stage.DECODE, 9, 31)), "12 decode 9/31"),
        (RUNNING, True, report(Progress(Stage.WRITE)), "12 write"),
        (RUNNING, True, replace(STEP, job_id=11), "12 starting"),
        (RUNNING, True, replace(STEP, resting_s=40.9, degrees=84), "12 denoise 5/8, resting 0:40 at 84 C"),
        (RUNNING, True, replace(STEP, resting_s=61.0), "12 denoise 5/8, resting 1:01"),
        (
            replace(RUNNING, pause="after_job"),
            True,
            replace(STEP, resting_s=5.0),
            "12 denoise 5/8, resting 0:05, then paused",
        ),
        (replace(RUNNING, stopping=True), True, STEP, "stopping at the next step, at most 40 s"),
        (replace(RUNNING, pause="now"), True, STEP, "stopping at the next step, at most 40 s"),
        (
            replace(RUNNING, stopping=True),
            True,
            report(Progress(Stage.DENOISE, 1, 8), step_seconds=(30.0,)),
            "stopping at the next step, at most 20 s",
        ),
        (replace(RUNNING, stopping=True), True, report(Progress(Stage.WRITE)), "stopping at the next step"),
        (replace(RUNNING, pause="after_job"), True, STEP, "12 denoise 5/8, then paused"),
        (
            replace(RUNNING, windowless=True),
            True,
            STEP,
            "12 denoise 5/8, without a window (skyreels-tui stop ends it)",
        ),
        (replace(OWNER, pause="after_job"), False, None, "paused"),
        (replace(OWNER, pause="memory", message="needs 61 GiB"), False, None, "waits: needs 61 GiB"),
        (replace(OWNER, pause="disk", message="disk full"), False, None, "waits: disk full"),
        (replace(OWNER, pause="hours", message="starts at 22:00"), False, None, "starts at 22:00"),
        (QueueStatus(is_owner=False, message="the lock cannot be had"), False, None, "waits: the lock cannot be had"),
        (replace(OWNER, read_only=True), False, None, "read only: a newer version wrote this queue"),
    ],
)
def test_every_state_has_its_words_and_its_data(store, status, runs, event, words):
    job = replace(store.add(entry()), id=12) if runs else None
    now = condition_now(status, job, event, 10.0, NOW)
    assert condition_words(now) == words
    data = json.loads(json.dumps(condition_data(now)))
    assert data["words"] == words and data["state"] in list(Doing) and data["job"] == (12 if runs else None)


class Slow(FakeExecutor):
    """Loads until it is told to go on."""

    def __init__(self, *args, **values) -> None:
        super().__init__(*args, **values)
        self.go = threading.Event()
        self.loads = threading.Event()

    def warm_up(self) -> None:
        self.loads.set()
        assert self.go.wait(WAIT_S)


def words_of(service) -> str:
    """As a window or the shell says it, without the seconds that pass between two looks."""
    running = service.running_jobs
    job = service.job(running[0]) if running else None
    return without_seconds(condition_words(condition_now(service.status(), job, service.progress())))


def without_seconds(words: str) -> str:
    return re.sub(r" \d+ s$", "", words)


def test_owner_viewer_and_lone_panel_say_the_same_from_the_first_job_to_the_stop(open_service, folders):
    executor = Slow(Script(num_steps=4), gated=True)
    seen, heard, events = Events(), Events(), Events()
    owner = open_service(executor, events=seen)
    viewer = open_service(FakeExecutor(), events=events)
    follower = Follower(folders, heard)
    board = JobBoard(lambda: follower.jobs)

    def all_say(words: str) -> None:
        seen.wait_for(lambda _: words in words_of(owner))
        events.wait_for(lambda _: words in words_of(viewer))
        follower.poll()
        for event in heard.all:
            board.apply(event)
        lone = condition_words(condition_now(board.status, board.running, board.progress))
        assert words in lone
        assert words_of(owner) == words_of(viewer) == without_seconds(lone)

    owner.show_window()
    job = owner.actions.add(make_request())
    assert executor.loads.wait(WAIT_S)
    all_say("loading the engine")
    executor.go.set()
    seen.wait_for(lambda e: isinstance(e, JobProgress) and e.progress.stage is Stage.DENOISE)
    all_say(f"{job.id} denoise 0/4")
    owner.hide_window()
    all_say("without a window")
    owner.actions.stop_job()
    seen.wait_for(lambda e: isinstance(e, QueueStatus) and e.stopping)
    executor.open_gate()
    seen.wait_for(lambda e: isinstance(e, JobChanged) and e.job.state.value == "interrupted")
    assert owner.close(timeout_s=WAIT_S)
    follower.poll()
    assert heard.all[-1] == QueueStatus(is_owner=False) or not viewer.is_owner


def test_what_an_earlier_attempt_said_does_not_stand_for_the_next_one(store):
    job = store.add(entry())
    board = JobBoard(store.list)
    store.attempts.claim()
    board.refresh()
    board.apply(JobProgress(job.id, Progress(Stage.WRITE), elapsed_s=3.0, left_s=0.0))
    assert board.progress is not None
    store.attempts.requeue(job.id, reason=job.reason, run_seconds=3.0)
    store.attempts.claim()
    board.apply(QueueChanged())
    assert board.running is not None and board.progress is None


def test_an_engine_that_still_loads_holds_no_exit(open_service):
    executor = Slow()
    service = open_service(executor)
    job = service.actions.add(make_request())
    assert executor.loads.wait(WAIT_S)
    assert service.close(timeout_s=WAIT_S)
    assert not executor.go.is_set() and not service.is_owner
    executor.go.set()
    assert open_service(start=False).job(job.id).state.value == "queued"


def test_a_job_that_is_claimed_while_the_queue_closes_stops_at_its_first_edge(open_service, monkeypatch):
    executor = FakeExecutor(Script(num_steps=4), gated=True)
    service = open_service(executor)
    runners = service._owner.runners
    claim, closed = service._store.attempts.claim, threading.Event()

    def claim_late(only, worker):
        closing = threading.Thread(target=lambda: (runners.close(), closed.set()))
        closing.start()
        assert closed.wait(WAIT_S)
        return claim(only, worker)

    monkeypatch.setattr(service._store.attempts, "claim", claim_late)
    job = service.actions.add(make_request())
    assert closed.wait(WAIT_S) and service.close(timeout_s=WAIT_S)
    assert open_service(start=False).job(job.id).state.value in ("queued", "interrupted")


def test_an_older_status_never_comes_after_a_newer_one(open_service):
    told, pausing = [], []
    newer, ended = threading.Event(), threading.Event()

    def publish(event) -> None:
        if not isinstance(event, QueueStatus):
            return
        if not pausing:
            pausing.append(threading.Thread(target=service.actions.pause))
            pausing[0].start()
            # Whoever is told out of turn gets the newer one meanwhile; in turn it comes after this.
            newer.wait(0.5)
            told.append(event.pause)
            ended.set()
        else:
            told.append(event.pause)
            newer.set()

    service = open_service(events=publish, start=False)
    service.start()
    assert ended.wait(WAIT_S)
    pausing[0].join(WAIT_S)
    paused = told.index("after_job")
    assert set(told[paused:]) == {"after_job"}, "nothing told before the pause comes after it"

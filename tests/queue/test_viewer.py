"""A second process on the same home: sees everything, changes rows, runs nothing until the owner ends."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.events import JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.store.lock import OwnerLock
from tests.queue.conftest import WAIT_S, Events, make_request

STEPS = 4


def denoising(step: int):
    return lambda e: isinstance(e, JobProgress) and e.progress.stage == Stage.DENOISE and e.progress.step == step


def test_only_one_owner_and_the_viewer_follows(open_service):
    executor = FakeExecutor(Script(num_steps=STEPS, preview=True), gated=True)
    owner = open_service(executor)
    events, idle = Events(), FakeExecutor()
    viewer = open_service(idle, events=events)
    assert owner.is_owner and not viewer.is_owner
    assert viewer.status().engine == owner.status().engine != "off"
    viewer.ask_preview()
    job = owner.actions.add(make_request())
    executor.advance(2)
    seen = events.wait_for(denoising(2))
    assert seen.job_id == job.id and len(seen.step_seconds) == 2
    assert seen.progress.preview is not None and len(seen.progress.preview.rgb) == 4 * 16 * 16 * 3
    events.wait_for(lambda e: isinstance(e, LogLine) and "step 2/4" in e.text)
    events.wait_for(lambda e: isinstance(e, QueueChanged))
    assert viewer.running_jobs == [job.id]
    executor.open_gate()
    assert viewer.wait(job.id, WAIT_S).state == JobState.DONE
    assert idle.began == []


def test_a_preview_that_nobody_wants_is_not_made(open_service, folders):
    executor = FakeExecutor(Script(num_steps=STEPS, preview=True))
    events = Events()
    service = open_service(executor, events=events)
    service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert all(e.progress.preview is None for e in events.all if isinstance(e, JobProgress))
    assert not (folders.live / "preview.bin").exists()


def test_the_viewer_adds_edits_moves_holds_and_cancels(open_service):
    executor = FakeExecutor(Script(num_steps=STEPS), gated=True)
    events = Events()
    owner = open_service(executor, events=events)
    running = owner.actions.add(make_request())
    events.wait_for(denoising(0))
    viewer = open_service(runs=False)
    first, second, third = (viewer.actions.add(make_request(seed=seed)) for seed in (1, 2, 3))
    viewer.actions.edit(first.id, make_request(seed=11))
    viewer.actions.hold(second.id)
    viewer.actions.move_to(third.id, 1)
    viewer.actions.cancel(running.id)
    assert viewer.wait(running.id, WAIT_S).state == JobState.CANCELLED
    executor.open_gate()
    assert viewer.wait(first.id, WAIT_S).state == JobState.DONE
    assert executor.began == [running.id, third.id, first.id]
    assert '"seed": 11' in Path(viewer.job(first.id).output).read_text()
    assert viewer.job(second.id).state == JobState.HELD


def test_the_viewer_pauses_the_owner_at_the_step_edge(open_service):
    executor = FakeExecutor(Script(num_steps=STEPS), gated=True)
    events = Events()
    owner = open_service(executor, events=events)
    job = owner.actions.add(make_request())
    executor.advance(1)
    events.wait_for(denoising(1))
    viewer = open_service(runs=False)
    viewer.actions.pause(now=True)
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.pause == "now" and e.engine == "idle")
    assert viewer.job(job.id).state == JobState.QUEUED
    viewer.actions.unpause()
    executor.open_gate()
    assert viewer.wait(job.id, WAIT_S).state == JobState.DONE


def test_the_viewer_takes_over_when_the_owner_ends(open_service):
    first = FakeExecutor(Script(num_steps=STEPS), gated=True)
    events = Events()
    owner = open_service(first, events=events)
    job = owner.actions.add(make_request())
    first.advance(2)
    events.wait_for(denoising(2))
    second, seen = FakeExecutor(Script(num_steps=STEPS)), Events()
    viewer = open_service(second, events=seen, auto_resume=True)
    assert owner.close(timeout_s=WAIT_S)
    seen.wait_for(lambda e: isinstance(e, QueueStatus) and e.is_owner)
    assert viewer.wait(job.id, WAIT_S).state == JobState.DONE
    assert second.began == [job.id]
    told = [e.text for e in seen.all if isinstance(e, LogLine) and "step " in e.text]
    assert told and len(set(told)) == len(told), "the old owner's lines and its own, each once"


def test_a_viewer_that_ends_while_it_takes_over_leaves_no_thread_behind(open_service, folders, tmp_path, monkeypatch):
    crashed = []
    monkeypatch.setattr(threading, "excepthook", crashed.append)
    owner = open_service(FakeExecutor(), start=False)
    taking_over, ending = threading.Event(), threading.Event()

    def slow_executor():
        taking_over.set()
        assert ending.wait(WAIT_S)
        return FakeExecutor(Script(num_steps=STEPS))

    viewer = QueueService(folders, tmp_path / "result", Events(), executor=slow_executor, options=QueueOptions())
    viewer.start()
    owner.close()
    assert taking_over.wait(WAIT_S)
    # The pause ends only once `close` has asked the watching thread to stop.
    ends = viewer._watch._ends
    monkeypatch.setattr(ends, "set", lambda stop=ends.set: (stop(), ending.set()))
    assert viewer.close(timeout_s=WAIT_S)
    left = [thread for thread in threading.enumerate() if thread.name == "inference"]
    for thread in left:
        thread.join(WAIT_S)
    assert (crashed, left) == ([], [])


def test_the_lock_is_the_kernels_and_its_file_stays(tmp_path):
    path = tmp_path / "queue.lock"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        OwnerLock(path).acquire()
        os.write(writing, b"x")
        signal.pause()
    os.read(reading, 1)
    mine = OwnerLock(path)
    inode = path.stat().st_ino
    assert not mine.acquire() and mine.owner_pid() == child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert mine.acquire() and path.stat().st_ino == inode
    mine.release()
    assert path.exists()
    os.close(reading)
    os.close(writing)

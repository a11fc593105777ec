"""Workers that are processes of this machine: jobs at the same time, every end of a job, a lost worker, a gang."""

import dataclasses
import json
import os
import signal

from pipelines.media.write.publish import read_metadata
from skyreels_tui.executors.cluster.here import Here
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.queue.events import JobChanged
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from tests.cluster.conftest import LIMIT_S, STEPS, at_step, film_of, in_state, until


class Watched(Here):
    """Says which process serves which team."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.pids = {}

    def open(self, team):
        line = super().open(team)
        self.pids[frozenset(worker.name for worker in team)] = line.pid
        return line


def test_a_job_is_made_in_a_process_of_its_own_and_leaves_nothing_there(open_queue, request_of, tmp_path, monkeypatch):
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path / "worker"))
    site = Watched([], DeskOptions(), cpu_workers=1)
    service, _ = open_queue(Elsewhere(site))
    request = request_of(steps=2)
    job = service.actions.add(request)
    done = service.wait(job.id, LIMIT_S)
    assert (done.state, done.worker) == (JobState.DONE, "cpu 0"), done.error
    assert site.pids[frozenset(["cpu 0"])] != os.getpid()
    assert read_metadata(done.output)["request"] == json.loads(json.dumps(dataclasses.asdict(request)))
    # The row says that the job is done before the folder goes.
    until(lambda: not (tmp_path / "head" / "state" / "jobs" / str(job.id)).exists())


def test_two_workers_through_every_end_of_a_job(open_queue, request_of, undisturbed, tmp_path, monkeypatch):
    # A home of their own: no file is shared with the queue.
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path / "worker"))
    site = Watched([], DeskOptions(), cpu_workers=2)
    service, events = open_queue(Elsewhere(site))
    request = request_of()
    # Each takes one of these: from here on both have begun, however long that has taken.
    for job in [service.actions.add(request_of(steps=2)) for _ in range(2)]:
        assert service.wait(job.id, LIMIT_S).state == JobState.DONE
    one, two = service.actions.add(request), service.actions.add(request)

    # 1. Both run at once; cancel meets one of them, pause keeps the step of the other
    at_step(events, one, 2)
    service.actions.cancel(one.id)
    in_state(events, one, JobState.CANCELLED)
    at_step(events, two, 2)
    service.actions.pause(now=True)
    paused = in_state(events, two, JobState.QUEUED, attempts=1)
    assert {service.job(job.id).worker for job in (one, two)} == {"cpu 0", "cpu 1"}
    assert 2 <= paused.step < STEPS

    # 2. Its worker is killed: it goes on at its step on another one, and the film is the undisturbed one
    service.actions.unpause()
    again = in_state(events, two, JobState.RUNNING, attempts=2)
    at_step(events, two, paused.step + 2)
    os.kill(site.pids[frozenset([again.worker])], signal.SIGKILL)
    lost = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WORKER_LOST, LIMIT_S
    ).job
    assert lost.step >= paused.step + 2
    done = service.wait(two.id, LIMIT_S)
    assert (done.state, done.attempts) == (JobState.DONE, 3), done.error
    assert film_of(done.output) == undisturbed(request)
    # The recipe names the person's files, not the worker's copies; nothing of the work stays.
    assert read_metadata(done.output)["request"] == json.loads(json.dumps(dataclasses.asdict(request)))
    assert not (tmp_path / "head" / "state" / "jobs" / str(two.id)).exists()

    # 3. A gang takes both workers; a single job waits behind it
    gang, single = service.actions.add(request_of(gpus="2", steps=30)), service.actions.add(request_of(steps=2))
    at_step(events, gang, 2)
    assert (service.status().busy, service.status().has_gpus) == (2, False)
    assert service.job(single.id).state == JobState.QUEUED
    done = service.wait(gang.id, LIMIT_S)
    assert done.state == JobState.DONE, done.error
    assert read_metadata(done.output)["gpus_together"] == 2
    assert service.wait(single.id, LIMIT_S).state == JobState.DONE

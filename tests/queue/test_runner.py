"""The inference thread with a scripted executor: how jobs end, stop, pause, wait and go on."""

from __future__ import annotations

import errno
import json
import re
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.front.errors import Cancelled, InputChanged, MediaError
from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.events import JobChanged, JobProgress, LogLine, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.pace import Pace
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.rows import NewJob
from tests.queue.conftest import PICTURE, WAIT_S, Events, make_request

STEPS = 4


def at_step(job_id: int, step: int):
    """Condition: this job has reported this step."""
    return lambda event: (
        isinstance(event, JobProgress)
        and event.job_id == job_id
        and event.progress.stage == Stage.DENOISE
        and event.progress.step == step
    )


def in_state(job_id: int, state: JobState):
    return lambda event: isinstance(event, JobChanged) and (event.job.id, event.job.state) == (job_id, state)


def test_jobs_run_in_order_and_end_done(open_service, folders):
    executor = FakeExecutor(Script(num_steps=STEPS))
    service = open_service(executor)
    jobs = [service.actions.add(make_request(seed=seed), label=f"j{seed}") for seed in range(3)]
    ended = [service.wait(job.id, WAIT_S) for job in jobs]
    assert [job.state for job in ended] == [JobState.DONE] * 3
    assert executor.began == [job.id for job in jobs]
    for job in ended:
        assert Path(job.output).is_file() and job.step == STEPS and job.run_seconds > 0
    assert service.close()
    assert list(folders.jobs.iterdir()) == [], "work folders of done jobs go"
    assert executor.warmed.is_set()


def test_nothing_is_imported_before_there_is_a_job_to_run(open_service):
    """An idle or paused program holds no engine: on one shared memory that room belongs to others."""
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS))
    service = open_service(executor, events=events)
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.engine == "idle")
    held = service.actions.add(make_request(), held=True)
    service.actions.pause()
    job = service.actions.add(make_request())
    assert not service.wait_idle(0.3) and not executor.warmed.is_set()
    service.actions.unpause()
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.engine == "warming")
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    assert executor.warmed.is_set() and service.job(held.id).state == JobState.HELD


def test_a_pause_while_the_engine_loads_keeps_the_job_waiting(open_service):
    class Loading(FakeExecutor):
        def warm_up(self) -> None:
            super().warm_up()
            service.actions.pause()

    executor = Loading(Script(num_steps=STEPS))
    service = open_service(executor)
    job = service.actions.add(make_request())
    assert executor.warmed.wait(WAIT_S)
    assert not service.wait_idle(0.5)
    assert (service.job(job.id).state, executor.began) == (JobState.QUEUED, [])
    service.actions.unpause()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE


def test_progress_carries_step_and_stage_times(open_service):
    events = Events()
    service = open_service(FakeExecutor(Script(num_steps=STEPS)), events=events)
    job = service.actions.add(make_request())
    service.wait(job.id, WAIT_S)
    last = [event for event in events.all if isinstance(event, JobProgress)][-1]
    assert len(last.step_seconds) == STEPS and all(seconds >= 0 for seconds in last.step_seconds)
    assert [name for name, _ in last.stage_seconds] == ["load", "text", "condition", "denoise", "decode"]
    steps = [e.job.step for e in events.all if isinstance(e, JobChanged) and e.job.stage == "denoise"]
    assert steps == [0, 1, 2, 3, 4], "the row is written at each step"


def test_cancel_takes_effect_at_the_next_edge(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job, other = service.actions.add(make_request()), service.actions.add(make_request())
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    service.actions.cancel(job.id)
    ended = service.wait(job.id, WAIT_S)
    assert ended.state == JobState.CANCELLED and ended.step == 2
    executor.open_gate()
    assert service.wait(other.id, WAIT_S).state == JobState.DONE


def test_stopping_keeps_the_step_and_resume_goes_on_there(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    executor.advance(3)
    events.wait_for(at_step(job.id, 3))
    service.actions.stop_job()
    stopped = service.wait(job.id, WAIT_S)
    assert stopped.state == JobState.INTERRUPTED and stopped.step == 3
    events.all.clear()
    service.actions.resume(job.id)
    executor.open_gate()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    reported = [e.progress.step for e in events.all if isinstance(e, JobProgress)]
    assert 1 not in reported and 2 not in reported, "steps 1 and 2 were not computed again"


def test_pause_after_the_job_and_go_on(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    first, second = service.actions.add(make_request()), service.actions.add(make_request())
    events.wait_for(at_step(first.id, 0))
    service.actions.pause()
    executor.open_gate()
    assert service.wait(first.id, WAIT_S).state == JobState.DONE
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.engine == "idle" and e.pause == "after_job")
    assert service.job(second.id).state == JobState.QUEUED
    service.actions.unpause()
    assert service.wait(second.id, WAIT_S).state == JobState.DONE


def test_pause_now_requeues_at_the_step_and_goes_on_there(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    service.actions.pause(now=True)
    events.wait_for(in_state(job.id, JobState.QUEUED))
    paused = events.wait_for(lambda e: isinstance(e, JobChanged) and e.job.reason.code is Code.PAUSED)
    assert paused.job.step == 2
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.engine == "idle" and e.pause == "now")
    service.actions.unpause()
    executor.open_gate()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    assert executor.began == [job.id, job.id]


def test_a_failure_is_told_in_words_and_the_queue_goes_on(open_service):
    failures = {(Stage.TEXT, 0): MediaError("the picture is torn"), (Stage.DECODE, 0): KeyError("no such key")}

    def script(context):
        return Script(num_steps=STEPS, failures=failures if context.job.label == "bad" else {})

    service = open_service(FakeExecutor(script))
    bad = service.actions.add(make_request(), label="bad")
    good = service.actions.add(make_request())
    failed = service.wait(bad.id, WAIT_S)
    assert (failed.state, failed.error, failed.traceback) == (JobState.FAILED, "the picture is torn", "")
    assert service.wait(good.id, WAIT_S).state == JobState.DONE
    again = service.actions.retry(bad.id)
    crashed = service.wait(again.id, WAIT_S)
    assert crashed.state == JobState.FAILED


def test_an_unknown_error_keeps_its_traceback(open_service):
    service = open_service(FakeExecutor(Script(failures={(Stage.DECODE, 0): KeyError("no such key")})))
    failed = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert (
        failed.state == JobState.FAILED
        and "KeyError: 'no such key'" in failed.error
        and "doctor --bundle" in failed.error
    )
    assert "Traceback" in failed.traceback and "fake.py" in failed.traceback


def test_a_retry_uses_the_steps_of_the_failed_job(open_service):
    events = Events()
    executor = FakeExecutor(Script(num_steps=STEPS, failures={(Stage.DENOISE, 4): MediaError("hiccup")}))
    service = open_service(executor, events=events)
    failed = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert failed.state == JobState.FAILED and failed.step == 3
    executor._script = Script(num_steps=STEPS)
    again = service.actions.retry(failed.id)
    assert service.wait(again.id, WAIT_S).state == JobState.DONE
    steps = [e.progress.step for e in events.all if isinstance(e, JobProgress) and e.job_id == again.id]
    assert 2 not in steps


def test_a_result_that_is_not_there_is_no_success(open_service):
    class Liar(FakeExecutor):
        def run(self, context):
            output = super().run(context)
            output.path.unlink()
            return output

    service = open_service(Liar(Script()))
    failed = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert failed.state == JobState.FAILED and "not there" in failed.error


def test_a_suspect_result_is_done_and_marked(open_service):
    service = open_service(FakeExecutor(Script(suspect="every frame is black")))
    job = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert job.state == JobState.DONE and job.suspect == "every frame is black"


def test_a_changed_input_stops_the_resume_with_a_question(open_service, tmp_path):
    picture = tmp_path / "mine.jpg"
    picture.write_bytes(Path(PICTURE).read_bytes())
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request(ref_imgs=(str(picture),)))
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    service.actions.stop_job()
    service.wait(job.id, WAIT_S)
    picture.write_bytes((Path(PICTURE).parent / "coffee.jpg").read_bytes())
    service.actions.resume(job.id)
    held = service.wait(job.id, WAIT_S)
    assert held.state == JobState.HELD and str(picture) in str(held.reason) and "restart" in str(held.reason)
    service.actions.release(job.id)
    assert service.wait(job.id, WAIT_S).state == JobState.HELD, "going on with another picture is no option"
    executor.open_gate()
    events.all.clear()
    service.actions.restart(job.id)
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    assert 1 in [e.progress.step for e in events.all if isinstance(e, JobProgress)], "from step 0"


def test_edited_while_paused_starts_from_the_beginning(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    service.actions.pause(now=True)
    events.wait_for(lambda e: isinstance(e, JobChanged) and e.job.reason.code is Code.PAUSED)
    service.actions.edit(job.id, make_request(seed=9))
    events.all.clear()
    service.actions.unpause()
    executor.open_gate()
    done = service.wait(job.id, WAIT_S)
    assert 1 in [e.progress.step for e in events.all if isinstance(e, JobProgress)]
    assert json.loads(Path(done.output).read_text().removeprefix("fake video of "))["seed"] == 9


@pytest.mark.parametrize(("edited", "step"), [(False, 2), (True, 0)])
def test_the_estimate_of_a_second_attempt_knows_which_steps_are_stored(open_service, edited, step):
    asked = []
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)

    def time_left(job, *_, **__):
        asked.append((job.attempts, job.step))

    service = open_service(executor, events=events, time_left=time_left)
    job = service.actions.add(make_request())
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    service.actions.pause(now=True)
    events.wait_for(lambda e: isinstance(e, JobChanged) and e.job.reason.code is Code.PAUSED)
    if edited:
        service.actions.edit(job.id, make_request(seed=9))
    service.actions.unpause()
    executor.open_gate()
    service.wait(job.id, WAIT_S)
    assert next(place for place in asked if place[0] == 2) == (2, step)


def test_dependents_run_with_the_output_of_the_first(open_service, tmp_path):
    # The fake writes a text file, which is fine here: the fake looks at no picture.
    service = open_service(FakeExecutor(Script(num_steps=STEPS)))
    first, second = service.actions.add_many(
        [NewJob(make_request(), "one"), NewJob(make_request(ref_imgs=("{{job:one}}",)), "two")]
    )
    done = service.wait(first.id, WAIT_S)
    assert service.wait_idle(WAIT_S)
    second = service.job(second.id)
    assert second.state == JobState.DONE
    assert done.output in Path(second.output).read_text()


def test_results_of_another_queue_are_not_overwritten(open_service, tmp_path):
    """A new queue counts from 1 again, in the folder where an older one left its results."""
    service = open_service(clock=lambda: datetime(2026, 11, 23, 12))
    name = service.wait(service.actions.add(make_request(), label="clip").id, WAIT_S).output_stem
    assert re.fullmatch(r"20261123-120000-1-clip-seed42", name), "local time, number, label and seed"
    precious = tmp_path / "result" / "reference_to_video" / f"{name.replace('-1-', '-2-')}.mp4"
    precious.write_text("precious")
    job = service.wait(service.actions.add(make_request(), label="clip").id, WAIT_S)
    assert Path(job.output).name == f"{precious.stem}-2.mp4" and Path(job.output).is_file()
    assert precious.read_text() == "precious"


@pytest.mark.parametrize(
    ("label", "part"),
    [("../../etc/x", "etc-x"), ("Été [red] 🎬", "ete-red"), ("🎬", ""), ("-" * 300 + "a" * 300, "a" * 48)],
)
def test_a_label_gives_a_short_and_safe_file_name(open_service, label, part):
    service = open_service()
    job = service.wait(service.actions.add(make_request(seed=2**63 - 1), label=label).id, WAIT_S)
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-1-{part}{'-' if part else ''}seed{2**63 - 1}", job.output_stem)
    assert len(job.output_stem) <= 100


def test_the_time_left_is_asked_with_the_real_inputs(folders, tmp_path):
    """A job that takes another one's output can only be planned with that file."""
    asked: list[tuple[int, str]] = []

    def time_left(job, _progress, _steps, _elapsed, **_kind):
        asked.append((job.id, job.request_json))
        return Pace(1.0)

    service = QueueService(
        folders, tmp_path / "result", lambda _: None, executor=lambda: FakeExecutor(Script()), time_left=time_left
    )
    with closing(service):
        first, second = service.actions.add_many(
            [NewJob(make_request(), "one"), NewJob(make_request(ref_imgs=("{{job:one}}",)), "two")]
        )
        assert [job.request.ref_imgs for job in service.plannable()][1] == ("{{job:one}}",)
        service.start(only_job=first.id)
        output = service.wait(first.id, WAIT_S).output
        assert [job.request.ref_imgs for job in service.plannable()] == [(output,)]
    service = QueueService(
        folders, tmp_path / "result", lambda _: None, executor=lambda: FakeExecutor(Script()), time_left=time_left
    )
    with closing(service):
        service.start()
        assert service.wait(second.id, WAIT_S).state == JobState.DONE
    assert {output in text for job, text in asked if job == second.id} == {True}


def test_an_executor_that_cannot_say_whether_there_is_memory_stops_nothing(open_service):
    class Odd(FakeExecutor):
        def admit(self, job):
            raise RuntimeError("no driver")

    service = open_service(Odd(Script()))
    assert service.wait(service.actions.add(make_request()).id, WAIT_S).state == JobState.DONE


def test_the_switch_interval_is_short_only_while_a_job_runs(open_service):
    seen = []

    def script(_context):
        seen.append(sys.getswitchinterval())
        return Script(num_steps=STEPS)

    before = sys.getswitchinterval()
    service = open_service(FakeExecutor(script))
    service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert service.wait_idle(WAIT_S) and service.close()
    assert seen[0] == pytest.approx(0.0005, rel=0.01)
    assert sys.getswitchinterval() == before


def test_closing_stops_at_the_step_edge_and_the_next_start_offers_the_rest(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    executor.advance(2)
    events.wait_for(at_step(job.id, 2))
    assert service.close(timeout_s=WAIT_S)
    later = open_service(FakeExecutor(Script(num_steps=STEPS)))
    assert (later.job(job.id).state, later.job(job.id).step) == (JobState.INTERRUPTED, 2)
    later.actions.resume(job.id)
    assert later.wait(job.id, WAIT_S).state == JobState.DONE


def test_auto_resume_goes_on_by_itself(open_service):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events)
    job = service.actions.add(make_request())
    executor.advance(1)
    events.wait_for(at_step(job.id, 1))
    service.close(timeout_s=WAIT_S)
    later = open_service(auto_resume=True)
    assert later.wait(job.id, WAIT_S).state == JobState.DONE


@pytest.mark.parametrize(("wish", "left"), [("finish_job", 1), ("finish_queue", 0), ("stop", 2)])
def test_hanging_up_does_what_the_setting_says(open_service, wish, left):
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS), gated=True)
    service = open_service(executor, events=events, on_hang_up=wish)
    jobs = [service.actions.add(make_request()), service.actions.add(make_request())]
    executor.advance(1)
    events.wait_for(at_step(jobs[0].id, 1))
    service.hang_up()
    executor.open_gate()
    service.wait_ended()
    states = [service.job(job.id).state for job in jobs]
    assert states.count(JobState.DONE) == 2 - left
    if wish == "stop":
        assert states[0] == JobState.INTERRUPTED


def test_only_one_job_and_what_it_needs(open_service):
    service = open_service(start=False)
    first, second, third = service.actions.add_many(
        [
            NewJob(make_request(), "one"),
            NewJob(make_request(), "other"),
            NewJob(make_request(ref_imgs=("{{job:one}}",)), "two"),
        ]
    )
    service.start(only_job=third.id)
    service._wait_until(lambda: service.job(third.id).state == JobState.DONE, WAIT_S)
    assert service.job(first.id).state == JobState.DONE
    assert service.job(second.id).state == JobState.QUEUED


def test_the_log_goes_to_a_file_and_to_the_screen(open_service, folders):
    events = Events()
    service = open_service(events=events)
    service.wait(service.actions.add(make_request(), label="two\nlines").id, WAIT_S)
    line = events.wait_for(lambda e: isinstance(e, LogLine) and " done in " in e.text)
    text = (folders.logs / "engine.log").read_text()
    assert line.text in text and "two lines" in text
    assert all(len(row.split(" ", 3)) == 4 for row in text.splitlines())


def test_full_disk_before_the_start_waits_with_the_exact_need(open_service, monkeypatch):
    free = {"bytes": 5 * 2**20}
    monkeypatch.setattr("skyreels_tui.queue.service.free_bytes", lambda _path: free["bytes"])
    events, executor = Events(), FakeExecutor(Script(num_steps=STEPS))
    service = open_service(executor, events=events, retry_s=0.01)
    job = service.actions.add(make_request())
    status = events.wait_for(lambda e: isinstance(e, QueueStatus) and e.pause == "disk")
    assert "needs 3" in status.message and "5 MiB free" in status.message
    assert service.job(job.id).state == JobState.QUEUED and executor.began == []
    assert service.actions.add(make_request()).id == job.id + 1, "adding still works"
    free["bytes"] = 2**40
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    assert service.status().pause == ""


def test_full_disk_in_the_middle_pauses_and_goes_on_at_the_step(open_service, monkeypatch):
    free = {"bytes": 2**40}
    monkeypatch.setattr("skyreels_tui.queue.service.free_bytes", lambda _path: free["bytes"])
    events = Events()

    class FillsUp(FakeExecutor):
        def run(self, context):
            try:
                return super().run(context)
            except OSError:
                free["bytes"] = 0
                raise

    full = OSError(errno.ENOSPC, "No space left on device")
    executor = FillsUp(Script(num_steps=STEPS, failures={(Stage.DENOISE, 3): full}))
    service = open_service(executor, events=events, retry_s=0.01)
    job = service.actions.add(make_request())
    events.wait_for(lambda e: isinstance(e, QueueStatus) and e.pause == "disk")
    waiting = service.job(job.id)
    assert waiting.state == JobState.QUEUED and waiting.step == 2 and "disk full" in str(waiting.reason)
    free["bytes"] = 2**41
    done = service.wait(job.id, WAIT_S)
    assert done.state == JobState.DONE and executor.began == [job.id, job.id]


def test_an_input_error_of_the_executor_holds_the_job(open_service):
    changed = InputChanged(Path("/data/a.jpg"))
    service = open_service(FakeExecutor(Script(failures={(Stage.CONDITION, 0): changed})))
    job = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert job.state == JobState.HELD and "/data/a.jpg" in str(job.reason)


def test_cancelled_without_anybody_asking_counts_as_a_stop(open_service):
    service = open_service(FakeExecutor(Script(failures={(Stage.TEXT, 0): Cancelled()})))
    assert service.wait(service.actions.add(make_request()).id, WAIT_S).state == JobState.INTERRUPTED


def test_a_job_that_is_claimed_while_the_queue_is_looked_at_is_waited_for(open_service, monkeypatch):
    """Between the look at running jobs and the one at queued ones the last job goes from one to the other."""
    executor = FakeExecutor(Script(num_steps=2), gated=True)
    service = open_service(executor)
    service.actions.pause()
    job = service.actions.add(make_request())
    look = service._store.running

    def look_and_let_it_be_claimed():
        found = look()
        if service._store.control("pause"):
            service.actions.unpause()
            deadline = time.monotonic() + WAIT_S
            while not look():
                assert time.monotonic() < deadline
        else:
            executor.open_gate()
        return found

    monkeypatch.setattr(service._store, "running", look_and_let_it_be_claimed)
    assert service.wait_idle(WAIT_S)
    assert service.job(job.id).state is JobState.DONE

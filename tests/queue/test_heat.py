"""Heat and power from a scripted sensor: rests between steps, what is said and counted; machines that go down."""

from __future__ import annotations

import itertools
import threading

import pytest

from pipelines.tasks import task_named
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.monitors.heat import gpu_heat, rest_limit_c
from skyreels_tui.monitors.sample import GpuReading
from skyreels_tui.queue.engine.limits import heat as module
from skyreels_tui.queue.engine.limits.heat import COOLER_C, Heat, HeatWatch
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.heat_words import heat_words
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.speed import speed_words
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.settings.settings import Settings
from tests.queue.conftest import WAIT_S, Events, make_request

COOL, HOT, SLOW = Heat(60), Heat(90), Heat(60, is_slowed=True)


class Clock:
    """Seconds that pass only while somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def watch(readings, above_c=85):
    clock, script = Clock(), iter(readings)
    return HeatWatch(lambda: next(script, COOL), lambda: above_c, clock), clock


@pytest.mark.parametrize(
    ("readings", "above_c", "seconds"),
    [
        ([COOL], 85, 0),
        ([HOT, HOT, HOT, COOL], 85, 3),
        ([HOT, Heat(85), Heat(85 - COOLER_C + 1), Heat(85 - COOLER_C)], 85, 3),
        ([Heat(85)], 85, 0),
        ([SLOW, SLOW, COOL], 85, 2),
        ([Heat(None, is_slowed=True), Heat(None)], 85, 1),
        ([Heat(None)], 85, 0),
        ([None], 85, 0),
        ([HOT, None], 85, 1),
        ([HOT, SLOW], 0, 0),
    ],
)
def test_a_rest_lasts_until_the_gpu_is_cooler_and_no_bit_is_set(readings, above_c, seconds):
    heat, clock = watch(readings, above_c)
    told = []
    assert heat.rest(clock.wait, lambda s, c: told.append((s, c))) == seconds
    assert [s for s, _ in told] == [float(n) for n in range(seconds)]
    assert heat.rested_s == seconds


def test_a_rest_that_does_not_help_ends():
    heat, clock = watch(itertools.repeat(HOT))
    assert heat.rest(clock.wait, lambda *_: None) == module.LONGEST_S


def test_who_cancels_ends_the_rest_at_once_and_its_seconds_count():
    heat, clock = watch(itertools.repeat(HOT))

    def tell(seconds, _):
        if seconds >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        heat.rest(clock.wait, tell)
    assert heat.rested_s == 4


def test_time_with_slowed_clocks_is_counted_but_not_the_rests():
    heat, clock = watch([COOL, SLOW, SLOW, COOL, SLOW, SLOW, COOL, COOL])
    for _ in range(4):
        heat.see()
        clock.wait(10)
    assert heat.slowed_s == 20
    heat.rest(clock.wait, lambda *_: None)
    heat.see()
    assert (heat.slowed_s, heat.rested_s) == (20, 2)


@pytest.mark.parametrize(
    ("settings", "gpu", "limit"),
    [
        (Settings(), "NVIDIA GB10", 85),
        (Settings(), "NVIDIA H200", 0),
        (Settings(), "", 0),
        (Settings(rest="on", rest_above_c=70), "NVIDIA H200", 70),
        (Settings(rest="off"), "NVIDIA GB10", 0),
    ],
)
def test_only_a_gb10_rests_unless_told(settings, gpu, limit):
    assert rest_limit_c(settings, gpu) == limit


@pytest.mark.parametrize(
    ("bits", "slowed"),
    [
        (None, False),
        (0, False),
        (0x1, False),
        (0x4, False),
        (0x2, False),
        (0x8, True),
        (0x20, True),
        (0x40, True),
        (0x80, True),
    ],
)
def test_which_bits_make_it_rest(bits, slowed):
    class Sensor:
        def read(self):
            return GpuReading(temperature_c=50, clock_events=bits)

    assert gpu_heat(Sensor())() == Heat(50, slowed)


def test_a_gpu_that_does_not_answer_makes_nothing_rest():
    class Sensor:
        def read(self):
            return GpuReading(problem="no driver")

    assert gpu_heat(Sensor())() is None


def rests(events):
    return [e for e in events.all if isinstance(e, JobProgress) and e.resting_s is not None]


def test_a_job_rests_between_steps_says_so_and_its_page_counts_it(open_service):
    events, script = Events(), iter([HOT] * 100)
    service = open_service(
        FakeExecutor(Script(num_steps=4)),
        events=events,
        heat=lambda: next(script, COOL),
        rest_above_c=lambda: 85,
        rest_wait=lambda _seconds: None,
    )
    job = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert job.state is JobState.DONE
    told = rests(events)
    assert told
    assert {event.progress.step for event in told} <= {1, 2, 3}, "not before the first step and not after the last"
    assert speed_words(told[0]) == "resting 0:00 at 90 C"
    assert speed_words(JobProgress(1, told[0].progress, 1.0, resting_s=100.4, degrees=84)) == "resting 1:40 at 84 C"
    assert speed_words(JobProgress(1, told[0].progress, 1.0, resting_s=5)) == "resting 0:05"


def test_a_job_is_cancelled_while_it_rests(open_service):
    events, added, asked = Events(), threading.Event(), []

    def wait(_seconds):
        assert added.wait(WAIT_S)
        if not asked:
            asked.append(service.actions.cancel(ids[0]))

    service = open_service(
        FakeExecutor(Script(num_steps=4)), events=events, heat=lambda: HOT, rest_above_c=lambda: 85, rest_wait=wait
    )
    ids = [service.actions.add(make_request()).id]
    added.set()
    assert service.wait(ids[0], WAIT_S).state is JobState.CANCELLED
    assert asked


def test_what_it_rested_and_ran_slowed_stays_in_the_row(store):
    job = store.add(NewJob(make_request()))
    store.attempts.claim()
    store.attempts.add_heat(job.id, rested_s=100, slowed_s=0.4)
    store.attempts.add_heat(job.id, rested_s=30, slowed_s=300)
    row = store.get(job.id)
    assert (row.rested_s, row.slowed_s) == (130, 300.4)
    assert heat_words(row) == ["rested 2:10 between steps", "5:00 with clocks slowed by heat or power"]
    assert heat_words(job) == []


def test_rests_are_counted_in_the_time_left(tmp_path):
    """The steps of a job that rests take longer, and so do those to come."""
    from pipelines.front.progress import Progress, Stage
    from skyreels_tui.requests.planning import Asked, plan_of

    plan = plan_of(Asked(task_named("reference_to_video"), make_request(profile="full", resolution="540P")))
    steps, lefts = plan.segments[0].num_steps, []
    for rest_s in (0, 3):
        book = EtaBook(tmp_path / f"{rest_s}.json", lambda: "NVIDIA GB10")
        step_s = book.estimate("reference_to_video", plan).step_s
        eta = book.follow("reference_to_video", plan)
        for step in range(4):
            pace = eta.update(Progress(Stage.DENOISE, step, steps), step * (step_s + rest_s))
        lefts.append(pace.left_s())
    assert rest_s < step_s / 5, "or the decode would be thought slower, too"
    assert lefts[1] - lefts[0] == pytest.approx(3 * (steps - 3), rel=0.02)


PLACE = {"stage": "denoise", "step": 3, "num_steps": 8, "segment": 0, "num_segments": 1, "run_seconds": 1}


@pytest.mark.parametrize(
    ("boots", "state", "code"),
    [
        (["a", "a"], JobState.INTERRUPTED, Code.INTERRUPTED),
        (["a", "b"], JobState.INTERRUPTED, Code.MACHINE_DOWN),
        (["a", ""], JobState.INTERRUPTED, Code.INTERRUPTED),
        (["a", "b", "c"], JobState.HELD, Code.MACHINE_DOWN_TWICE),
        (["a", "a", "b"], JobState.INTERRUPTED, Code.MACHINE_DOWN),
        (["a", "b", "b"], JobState.INTERRUPTED, Code.INTERRUPTED),
    ],
)
def test_a_crash_of_the_machine_is_told_from_one_of_the_program(store, boots, state, code):
    """The process dies in each boot but the last; every time the job had come further."""
    job = store.add(NewJob(make_request()))
    for number, (then, now) in enumerate(itertools.pairwise(boots)):
        assert store.attempts.claim(boot=then).id == job.id
        store.attempts.update_step(job.id, **(PLACE | {"step": number}))
        store.attempts.recover(auto_resume=False, boot=now)
        row = store.get(job.id)
        if row.state is JobState.INTERRUPTED and number < len(boots) - 2:
            store.resume(job.id)
    assert (row.state, row.reason.code) == (state, code)
    assert "step" in str(row.reason)


def test_two_crashes_of_the_machine_hold_a_job_that_resumes_by_itself_until_it_is_released(store):
    job = store.add(NewJob(make_request()))
    for then, now in (("a", "b"), ("b", "c")):
        store.attempts.claim(boot=then)
        store.attempts.recover(auto_resume=True, boot=now)
    assert store.get(job.id).state is JobState.HELD
    store.release(job.id)
    store.attempts.claim(boot="c")
    store.attempts.recover(auto_resume=True, boot="d")
    assert store.get(job.id).state is JobState.QUEUED, "counted anew"

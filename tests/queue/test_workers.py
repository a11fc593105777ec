"""Several workers of one process: a job each, gangs, a worker that is lost, one that is warm."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO, ReferenceToVideo
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.condition import condition_now, condition_words
from skyreels_tui.queue.engine.parts import no_estimate
from skyreels_tui.queue.engine.workforce import CannotHere, Worker, WorkerAway, WorkerLost
from skyreels_tui.queue.errors import Superseded
from skyreels_tui.queue.events import JobChanged, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.settings.settings import Settings
from tests.queue.conftest import WAIT_S, Events, entry
from tests.queue.demo_requests import SAMPLES

pytestmark = pytest.mark.quick


class Shelf:
    """A workforce of fakes; workers come and go as a test says. `a of GB10` has a GPU of that kind."""

    def __init__(self, *names: str, make: Callable[[], FakeExecutor] = FakeExecutor, host: str = "box") -> None:
        self.there = [Worker(name, host, kind=kind) for name, _, kind in (name.partition(" of ") for name in names)]
        self.executors: dict[str, FakeExecutor] = {}
        self.changed: Callable[[], None] = lambda: None
        self._make = make

    def begin(self, changed):
        self.changed = changed

    def workers(self):
        return tuple(self.there)

    def executor(self, worker):
        return self.executors.setdefault(worker.name, self._make())

    def trouble(self):
        return ""

    def close(self):
        """Nothing is held."""


@pytest.fixture
def open_shelf(folders):
    """Open services over a shelf; all are closed at the end."""
    opened = []

    def open_one(shelf, **options):
        events = Events()
        service = QueueService(
            folders,
            folders.results,
            events,
            executor=shelf,
            time_left=options.pop("time_left", no_estimate),
            options=QueueOptions(**options),
        )
        opened.append((service, shelf))
        return service, events

    yield open_one
    for service, shelf in opened:
        for executor in shelf.executors.values():
            executor.open_gate()
            executor.close()
        service.close(timeout_s=WAIT_S)


def gated():
    return FakeExecutor(gated=True)


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waits(events, job, state):
    return events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.id == job.id and event.job.state == state
    ).job


def test_each_worker_runs_a_job_of_its_own(open_shelf):
    shelf = Shelf("a", "b", "c", make=gated)
    service, events = open_shelf(shelf)
    jobs = service.actions.add_many([entry(f"job {n}") for n in range(4)])
    service.start()
    running = [waits(events, job, JobState.RUNNING) for job in jobs[:3]]
    assert {job.worker for job in running} == {"a", "b", "c"}
    assert service.running_jobs == [job.id for job in jobs[:3]]
    assert service.job(jobs[3].id).state == JobState.QUEUED
    events.wait_for(lambda event: isinstance(event, QueueStatus) and (event.busy, event.workers) == (3, 3))
    for executor in shelf.executors.values():
        executor.open_gate()
    assert service.wait_idle(WAIT_S)
    assert [service.job(job.id).state for job in jobs] == [JobState.DONE] * 4
    assert sum(len(executor.began) for executor in shelf.executors.values()) == 4, "none ran twice"


def test_cancel_meets_the_one_job_and_pause_all(open_shelf):
    shelf = Shelf("a", "b", make=gated)
    service, events = open_shelf(shelf)
    one, two = service.actions.add_many([entry("one"), entry("two")])
    service.start()
    waits(events, one, JobState.RUNNING)
    waits(events, two, JobState.RUNNING)
    service.actions.cancel(one.id)
    waits(events, one, JobState.CANCELLED)
    assert service.job(two.id).state == JobState.RUNNING
    service.actions.pause(now=True)
    waits(events, two, JobState.QUEUED)
    assert service.running_jobs == []


@pytest.mark.parametrize("gpus", ["2", "all"])
def test_a_gang_waits_for_its_workers_and_no_single_job_overtakes_it(open_shelf, gpus):
    shelf = Shelf("a", "b", make=gated)
    service, events = open_shelf(shelf)
    first = service.actions.add_many([entry("first")])[0]
    service.start()
    held = waits(events, first, JobState.RUNNING).worker
    gang, single = service.actions.add_many([entry("gang", gpus=gpus), entry("single")])
    events.wait_for(lambda event: isinstance(event, JobChanged) and event.job.id == single.id)
    other = next(name for name in ("a", "b") if name != held)
    # The free worker is kept for the gang: the single job behind it does not start.
    until(lambda: service._owner.runners.muster.serving(Worker(other, "box")) is not None)
    assert service.job(single.id).state == JobState.QUEUED
    shelf.executors[held].open_gate()
    leader = waits(events, gang, JobState.RUNNING).worker
    assert service.job(single.id).state == JobState.QUEUED
    assert service.status().busy == 2
    for executor in shelf.executors.values():
        executor.open_gate()
    assert service.wait_idle(WAIT_S)
    assert service.job(gang.id).state == service.job(single.id).state == JobState.DONE
    assert leader in ("a", "b")


def test_a_gang_job_that_is_cancelled_sets_its_workers_free(open_shelf):
    shelf = Shelf("a", "b", make=gated)
    service, events = open_shelf(shelf)
    first = service.actions.add_many([entry("first")])[0]
    service.start()
    waits(events, first, JobState.RUNNING)
    gang = service.actions.add_many([entry("gang", gpus="2")])[0]
    service.actions.cancel(gang.id)
    single = service.actions.add_many([entry("single")])[0]
    waits(events, single, JobState.RUNNING)
    assert len(service.running_jobs) == 2


class Dies(FakeExecutor):
    """Its worker goes at the third step, as often as it is asked."""

    def __init__(self, times):
        super().__init__(Script())
        self._times = times

    def run(self, context):
        report = context.report

        def watched(progress):
            report(progress)
            if progress.step == 3 and self._times:
                self._times.pop()
                raise WorkerLost("worker a has ended")

        from dataclasses import replace

        return super().run(replace(context, report=watched))


def test_a_lost_worker_s_job_goes_on_elsewhere(open_shelf):
    times = [1]
    shelf = Shelf("a", "b", make=lambda: Dies(times))
    service, events = open_shelf(shelf)
    job = service.actions.add_many([entry()])[0]
    service.start()
    lost = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WORKER_LOST
    ).job
    assert (lost.state, lost.step) == (JobState.QUEUED, 3)
    assert "worker a has ended" in str(lost.reason)
    assert service.wait_idle(WAIT_S)
    done = service.job(job.id)
    assert (done.state, done.attempts) == (JobState.DONE, 2)


def test_the_second_loss_at_the_same_step_is_a_question(open_shelf):
    times = [1, 1]
    shelf = Shelf("a", "b", make=lambda: Dies(times))
    service, events = open_shelf(shelf)
    job = service.actions.add_many([entry()])[0]
    service.start()
    held = waits(events, job, JobState.HELD)
    assert held.reason.code is Code.DIED_TWICE


def test_a_worker_without_the_checkpoint_leaves_the_job_to_others(open_shelf):
    class Lacks(FakeExecutor):
        def admit(self, job):
            raise CannotHere("a has no checkpoint")

    made = []

    def make():
        made.append(Lacks() if not made else gated())
        return made[-1]

    shelf = Shelf("a", "b", make=make)
    service, events = open_shelf(shelf)
    job = service.actions.add_many([entry()])[0]
    service.start()
    assert waits(events, job, JobState.RUNNING).worker == "b"
    other = service.actions.add_many([entry()])[0]
    noted = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WAITS_FOR_WORKER
    ).job
    assert "a has no checkpoint" in str(noted.reason)
    assert made[0].began == []
    assert service.job(other.id).state == JobState.QUEUED


@pytest.mark.parametrize("gpus", ["1", "2"])
def test_a_job_waits_while_its_worker_cannot_be_reached(open_shelf, gpus):
    """A single job is asked about first, a gang's workers are met when it begins; neither is held for that."""
    tries = []

    class Away(FakeExecutor):
        def _meet(self):
            tries.append(1)
            if len(tries) < 6:
                raise WorkerAway("the cluster has begun anew")

        def admit(self, job):
            if gpus == "1":
                self._meet()
            return ""

        def run(self, context):
            if gpus == "2":
                self._meet()
            return super().run(context)

    service, events = open_shelf(Shelf("a", "b", make=Away), retry_s=0.02)
    job = service.actions.add_many([entry(gpus=gpus)])[0]
    service.start()
    said = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WAITS_FOR_WORKER
    )
    assert "begun anew" in str(said.job.reason) and said.job.state is JobState.QUEUED
    assert waits(events, job, JobState.DONE).error == ""
    assert not [e for e in events.all if isinstance(e, JobChanged) and e.job.state in (JobState.HELD, JobState.FAILED)]


def test_the_kind_of_each_worker_is_told_and_its_jobs_are_followed_by_it(open_shelf, folders):
    asked = set()

    def time_left(job, _progress, _steps, _elapsed, *, kind=""):
        asked.add((job.worker, kind))

    shelf = Shelf("a of GB10", "b of H100", make=gated)
    service, events = open_shelf(shelf, time_left=time_left)
    jobs = service.actions.add_many([entry("one"), entry("two")])
    service.start()
    for job in jobs:
        waits(events, job, JobState.RUNNING)
    assert service.status().crew == (("a", "GB10"), ("b", "H100"))
    viewer = QueueService(folders, folders.results, lambda _event: None)
    until(lambda: viewer.status().crew == service.status().crew)
    viewer.close()
    for executor in shelf.executors.values():
        executor.open_gate()
    assert service.wait_idle(WAIT_S)
    assert asked == {("a", "GB10"), ("b", "H100")}


def test_what_an_earlier_attempt_says_is_not_used(store):
    job = store.add(entry())
    first = store.attempts.claim(worker="a")
    store.attempts.requeue(first.id, reason=first.reason, run_seconds=1.0, attempt=1)
    second = store.attempts.claim(worker="b")
    assert (second.id, second.attempts, second.worker) == (job.id, 2, "b")
    for late in (
        lambda: store.attempts.update_step(
            job.id, stage="denoise", step=9, num_steps=9, segment=0, num_segments=1, run_seconds=9.0, attempt=1
        ),
        lambda: store.attempts.finish(job.id, output="x.mp4", suspect="", run_seconds=9.0, attempt=1),
        lambda: store.attempts.fail(job.id, error="x", run_seconds=9.0, attempt=1),
        lambda: store.attempts.cancelled(job.id, run_seconds=9.0, attempt=1),
        lambda: store.attempts.lost(job.id, reason=first.reason, run_seconds=9.0, attempt=1),
    ):
        with pytest.raises(Superseded):
            late()
    assert store.get(job.id) == second


def test_a_worker_claims_one_job_at_a_time(store):
    store.add_many([entry("one"), entry("two"), entry("three")])
    assert store.attempts.claim(worker="a") is not None
    assert store.attempts.claim(worker="a") is None
    assert store.attempts.claim(worker="b") is not None
    assert [job.worker for job in store.running()] == ["a", "b"]


def test_workers_come_and_go(open_shelf):
    shelf = Shelf(make=gated)
    service, events = open_shelf(shelf)
    job = service.actions.add_many([entry()])[0]
    service.start()
    assert service.status().workers == 0
    shelf.there.append(Worker("late", "box"))
    shelf.changed()
    assert waits(events, job, JobState.RUNNING).worker == "late"
    shelf.there.clear()
    shelf.changed()
    shelf.executors["late"].open_gate()
    waits(events, job, JobState.DONE)
    events.wait_for(lambda event: isinstance(event, QueueStatus) and event.workers == 0)


def test_group_by_model_prefers_the_worker_that_is_warm(open_shelf):
    shelf = Shelf("a", "b")
    service, events = open_shelf(shelf, group_by_model=True)
    first = service.actions.add_many([entry("first")])[0]
    service.start()
    warm = waits(events, first, JobState.DONE).worker
    for number in range(5):
        until(lambda: service.status().busy == 0)
        job = service.actions.add_many([entry(f"job {number}")])[0]
        assert waits(events, job, JobState.DONE).worker == warm


class Machines(Shelf):
    """A shelf over several hosts: names such as `one 0` say theirs."""

    def __init__(self, *names: str, make: Callable[[], FakeExecutor] = FakeExecutor) -> None:
        super().__init__(make=make)
        self.there = [Worker(name, name.split()[0], has_gpu="cpu" not in name) for name in names]


TEAMS = (
    # One host has as many: the gang is of that host. None has: it is of several. A GPU never works with a CPU.
    (("one 0", "two 0"), "2", {"one 0", "two 0"}),
    (("one 0", "two 0", "two 1"), "2", {"two 0", "two 1"}),
    (("one 0", "one 1", "two 0", "two 1"), "4", {"one 0", "one 1", "two 0", "two 1"}),
    (("one 0", "two 0", "three 0", "four 0", "five 0"), "5", {"one 0", "two 0", "three 0", "four 0", "five 0"}),
    (("one 0", "two 0"), "all", {"one 0", "two 0"}),
    (("one 0", "two 0", "three 0"), "all", None),
    (("one 0", "cpu 0", "cpu 1"), "2", {"cpu 0", "cpu 1"}),
)


@pytest.mark.parametrize(("names", "gpus", "team"), TEAMS)
def test_a_gang_is_of_one_host_where_one_has_so_many_and_else_of_several(open_shelf, names, gpus, team):
    shelf = Machines(*names)
    teams = []

    class Tells(FakeExecutor):
        def run(self, context):
            teams.append(context.team)
            return super().run(context)

    shelf._make = Tells
    service, _ = open_shelf(shelf)
    job = service.actions.add_many([entry("gang", gpus=gpus)])[0]
    service.start()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE
    assert len(teams) == 1
    assert team is None or set(teams[0]) == team
    assert len(set(teams[0])) == (2 if gpus == "all" else int(gpus))
    until(lambda: service.status().busy == 0)


@pytest.mark.parametrize("sizes", [("2", "5"), ("5", "2"), ("2", "4", "5", "2", "1", "4")])
def test_gangs_that_want_each_other_s_workers_all_get_theirs(open_shelf, sizes):
    shelf = Machines("one 0", "two 0", "two 1", "three 0", "four 0")
    service, _ = open_shelf(shelf)
    jobs = service.actions.add_many([entry(f"job {n}", gpus=size) for n, size in enumerate(sizes)])
    service.start()
    assert service.wait_idle(WAIT_S)
    assert [service.job(job.id).state for job in jobs] == [JobState.DONE] * len(jobs)


def test_more_workers_than_this_machine_has_are_refused(open_shelf):
    shelf = Shelf("one", "two", host="")
    service, _ = open_shelf(shelf)
    service.start()
    until(lambda: service.status().workers == 2)
    refused = service.actions.add_many([entry("four", gpus="4")])[0]
    failed = service.wait(refused.id, WAIT_S)
    assert failed.state == JobState.FAILED
    assert "4 GPUs are asked for, 2 can be seen here" in failed.error


@pytest.mark.parametrize(("there", "joins", "gpus"), [("one 0", "two 0", "2"), ("one 0", "one 1", "2")])
def test_a_job_of_several_waits_for_a_machine_that_joins_later(open_shelf, there, joins, gpus):
    shelf = Machines(there)
    service, events = open_shelf(shelf)
    service.start()
    until(lambda: service.status().workers == 1)
    job, single = service.actions.add_many([entry("two", gpus=gpus), entry("one")])
    waiting = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WAITS_FOR_WORKER
    ).job
    assert (waiting.id, waiting.state) == (job.id, JobState.QUEUED)
    assert f"{gpus} workers are asked for, 1 there now" in str(waiting.reason)
    # Meanwhile what can run does.
    assert service.wait(single.id, WAIT_S).state == JobState.DONE
    shelf.there.append(Worker(joins, joins.split()[0]))
    shelf.changed()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE


def test_workers_that_have_gone_are_waited_for(open_shelf):
    shelf = Machines("one 0", "two 0")
    service, events = open_shelf(shelf)
    service.start()
    until(lambda: service.status().workers == 2)
    away = shelf.there.pop()
    shelf.changed()
    until(lambda: service.status().workers == 1)
    job = service.actions.add_many([entry("two", gpus="2")])[0]
    waiting = events.wait_for(
        lambda event: isinstance(event, JobChanged) and event.job.reason.code is Code.WAITS_FOR_WORKER
    ).job
    assert waiting.id == job.id
    assert service.status().busy == 0
    assert "2 workers are asked for, 1 there now" in str(waiting.reason)
    until(lambda: condition_words(condition_now(service.status(), None, None)).startswith("waits: 2 workers are asked"))
    shelf.there.append(away)
    shelf.changed()
    assert service.wait(job.id, WAIT_S).state == JobState.DONE


def test_times_take_all_gpus_for_all_workers_whatever_cards_are_here(folders):
    services = Services(folders, Settings(), folders.results, Shelf("a", "b", "c", "d", make=FakeExecutor))
    services.gpu_name = lambda: "NVIDIA H100"
    request = ReferenceToVideo(prompt="a walk", ref_imgs=(str(SAMPLES / "astronaut.jpg"),), resolution="720P")
    task, plan = REFERENCE_TO_VIDEO.name, REFERENCE_TO_VIDEO.plan(request)
    queue = services.open_queue(lambda _event: None, runs=True)
    try:
        queue.start()
        until(lambda: queue.status().workers == 4)
        seen = [services.rates.estimate(task, replace(plan, gpus=gpus)).step_s for gpus in ("1", "4", "all")]
    finally:
        queue.close(timeout_s=WAIT_S)
    one, four, every = seen
    assert every == four < one

"""The time of a job that several GPUs share, learned or guessed, and hours of rest in its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.front.admission import ComputeDevice, Memory, admit
from pipelines.front.memory import requested_plan
from pipelines.front.peaks import PeakBook, kind_of
from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO, ReferenceToVideo
from skyreels_tui.app.machine import machine_of
from skyreels_tui.eta.forecast import Forecast, QueueForecast
from skyreels_tui.eta.model import Estimate
from skyreels_tui.eta.outlook import Machine, Turn, look_ahead, turn_of
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.queue.events import QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.settings.hours import parse_hours
from skyreels_tui.settings.settings import Settings
from tests.live.test_eta import Script, run
from tests.ui.conftest import ASTRONAUT
from tests.ui.scenes import reading

REQUEST = ReferenceToVideo(prompt="a walk", ref_imgs=(str(ASTRONAUT),), resolution="720P")
PLAN = REFERENCE_TO_VIDEO.plan(REQUEST)
TASK = "reference_to_video"
NOW = datetime(2026, 1, 6).astimezone()


def reading_of(gpus: int) -> Sample:
    """A machine with much memory and so many GPUs."""
    sample = reading()
    assert sample.memory is not None and sample.gpu is not None
    memory = replace(sample.memory, total_bytes=900 << 30, available_bytes=800 << 30)
    return Sample(sample.at, {"gpu": replace(sample.gpu, count=gpus), "memory": memory})


def learned(book: EtaBook, gpus: str, step_s: float) -> None:
    """Let the book follow a job of so many GPUs to its end."""
    plan = replace(PLAN, gpus=gpus)
    run(Script(plan, lambda _: step_s), book.follow(TASK, plan))


@pytest.mark.parametrize("gpus", ["2", "4", "all"])
@pytest.mark.parametrize("known", [False, True])
def test_several_gpus_take_their_own_time(tmp_path: Path, gpus: str, known: bool) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA H100", num_gpus=lambda: 4)
    if known:
        learned(book, "1", 20.0)
    alone = book.estimate(TASK, PLAN).step_s
    together = book.estimate(TASK, replace(PLAN, gpus=gpus)).step_s
    count = 4 if gpus == "all" else int(gpus)
    assert alone / count <= together <= alone / count * 1.15


def test_all_gpus_are_those_that_are_there(tmp_path: Path) -> None:
    few, many = (
        EtaBook(tmp_path / f"{there}.json", lambda: "NVIDIA H100", num_gpus=lambda there=there: there)  # type: ignore[misc]
        for there in (1, 8)
    )
    plan = replace(PLAN, gpus="all")
    assert few.estimate(TASK, plan).step_s == few.estimate(TASK, PLAN).step_s
    assert many.estimate(TASK, plan).step_s == many.estimate(TASK, replace(PLAN, gpus="8")).step_s


def test_what_all_gpus_took_is_remembered_under_their_number(tmp_path: Path) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA H100", num_gpus=lambda: 2)
    learned(book, "all", 9.0)
    assert book.estimate(TASK, replace(PLAN, gpus="2")).learned


@pytest.mark.parametrize("gpus", ["1", "2"])
def test_each_kind_of_worker_has_figures_of_its_own(tmp_path: Path, gpus: str) -> None:
    path, plan = tmp_path / "rates.json", replace(PLAN, gpus=gpus)
    book = EtaBook(path, lambda: "NVIDIA H100 80GB HBM3")
    took = {"": 24.0, "GB10": 200.0, "RTX PRO 6000": 50.0, "cpu": 9000.0}
    for kind, step_s in took.items():
        guess = book.estimate(TASK, plan, kind)
        assert not guess.learned, "another kind says nothing of it"
        run(Script(plan, lambda _, step_s=step_s: step_s), book.follow(TASK, plan, kind=kind))  # type: ignore[misc]
    again = EtaBook(path, lambda: "NVIDIA H100 80GB HBM3")
    for kind, step_s in took.items():
        seen = again.estimate(TASK, plan, kind)
        assert seen.learned and seen.step_s == pytest.approx(step_s, rel=0.01), kind
    # Ray's name of the GPU that this machine has is no other kind; nor is the CPU of a machine that has no GPU.
    assert again.estimate(TASK, plan, "H100") == again.estimate(TASK, plan)
    bare = EtaBook(tmp_path / "bare.json")
    assert bare.estimate(TASK, plan, "cpu") == bare.estimate(TASK, plan)
    assert bare.estimate(TASK, plan, "GB10").step_s < bare.estimate(TASK, plan).step_s / 100


def test_the_queue_ends_when_workers_of_unlike_speed_have_shared_it_out(tmp_path: Path) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA H100")
    for kind, step_s in (("", 10.0), ("GB10", 100.0)):
        run(Script(PLAN, lambda _, step_s=step_s: step_s), book.follow(TASK, PLAN, kind=kind))  # type: ignore[misc]
    fast, slow = book.estimate(TASK, PLAN).total_s, book.estimate(TASK, PLAN, "GB10").total_s
    assert slow > 4 * fast
    jobs = [
        Job(number, "", TASK, REQUEST.to_json(), JobState.QUEUED, float(number), "2026-01-06T21:00:00+00:00")
        for number in range(1, 5)
    ]
    crew = (("box", "H100"), ("spark", "GB10"))
    seen = Forecast(lambda: jobs, book, crew=lambda: crew).read()
    # Each takes one; the fast one has done the other two long before the slow one is free.
    assert [spent for _, spent in seen.job_seconds] == pytest.approx([fast, slow, fast, fast])
    assert seen.total_seconds == pytest.approx(slow) and seen.next_kind == "H100" and seen.workers == 2
    assert turn_of(seen).seconds == pytest.approx(3 * fast)
    # One runs already, on the slow one: without a report its time is that of the slow one.
    jobs[0] = replace(jobs[0], state=JobState.RUNNING, worker="spark")
    assert Forecast(lambda: jobs[:1], book, crew=lambda: crew).read().running_seconds == pytest.approx((slow,))


def test_a_job_that_no_worker_can_take_holds_up_no_end(tmp_path: Path) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA H100")
    four, single = (
        Job(number, "", TASK, replace(REQUEST, gpus=gpus).to_json(), JobState.QUEUED, float(number), "2026-01-06T21:00")
        for number, gpus in ((1, "4"), (2, "1"))
    )
    four = replace(four, reason=because(Code.WAITS_FOR_WORKER, why="4 workers are asked for, 2 there now"))
    seen = Forecast(lambda: [four, single], book, crew=lambda: SPARKS).read()
    assert [job_id for job_id, _ in seen.job_seconds] == [2] and [job_id for job_id, _ in seen.held_seconds] == [1]
    assert seen.total_seconds == book.estimate(TASK, PLAN, "GB10").total_s
    assert turn_of(seen).jobs == 1, "what is added now starts before it"


@pytest.mark.parametrize(
    ("hours", "seconds", "end"), [("", 7200, "23:00"), ("22:00-23:00", 5400, "22:30"), ("23:30-23:45", 60, "23:31")]
)
def test_hours_of_rest_are_in_the_end(hours: str, seconds: float, end: str) -> None:
    now = datetime(2026, 1, 6, 21, 0).astimezone()
    turn = Turn(2, seconds / 2)
    seen = look_ahead(
        REQUEST, PLAN, Estimate(seconds / 2, 1.0, True), turn, Machine(), now, parse_hours(hours) if hours else None
    )
    assert seen.ends is not None and f"{seen.ends:%H:%M}" == end


@pytest.mark.parametrize(
    ("workers", "running", "seconds"),
    [(1, (50.0,), 360.0), (2, (50.0,), 110.0), (2, (50.0, 20.0), 130.0), (3, (), 10.0), (4, (), 0.0)],
)
def test_the_first_worker_that_is_free_takes_it(workers: int, running: tuple[float, ...], seconds: float) -> None:
    waiting = ((1, 100.0), (2, 200.0), (3, 10.0))
    turn = turn_of(QueueForecast(waiting, running_seconds=running, workers=workers))
    assert (turn.jobs, turn.seconds) == (3 + len(running), seconds)


@pytest.mark.parametrize(("cluster", "gpus"), [("", 0), ("local", 0), ("local:2", 0), ("head.lan:6379", None)])
def test_what_a_cluster_elsewhere_has_is_not_held_against_this_machine(
    cluster: str, gpus: int | None, tmp_path: Path
) -> None:
    machine = machine_of(None, tmp_path, Settings(cluster=cluster), "")
    assert machine.gpus == gpus
    seen = look_ahead(
        REQUEST, PLAN, Estimate(60.0, 1.0, True), Turn(), machine, datetime(2026, 1, 6).astimezone(), None
    )
    assert bool(seen.trouble) is (gpus == 0)


CPUS = (("spark-01 cpu 0", "cpu"), ("spark-02 cpu 0", "cpu"), ("spark-02 cpu 1", "cpu"))
SPARKS = (("spark-01 gpu 0", "GB10"), ("spark-02 gpu 0", "GB10"))
HERE = (("gpu 0", "H100"), ("gpu 1", "H100"))


@pytest.mark.parametrize(
    ("cluster", "crew", "profile", "gpus", "trouble"),
    [
        ("head.lan:6379", SPARKS, "full", "2", ""),
        ("head.lan:6379", SPARKS, "full", "all", ""),
        ("head.lan:6379", SPARKS, "full", "4", "4 workers are asked for, 2 there now: it waits"),
        ("head.lan:6379", (*SPARKS, CPUS[1], CPUS[2]), "full", "4", "4 workers are asked for, 2 there now: it waits"),
        ("head.lan:6379", CPUS, "demo", "2", ""),
        ("head.lan:6379", CPUS, "demo", "4", "4 workers are asked for, 3 there now: it waits"),
        ("head.lan:6379", CPUS, "full", "1", "no GPU for it in the cluster: the demo models run without one"),
        ("head.lan:6379", (), "full", "8", ""),
        ("local:2", HERE, "full", "2", ""),
        ("local:2", HERE, "full", "4", "4 GPUs are asked for, 2 can be seen here"),
        ("local:2", HERE, "demo", "4", "4 GPUs are asked for, 2 can be seen here"),
        ("", (("", ""),), "full", "4", ""),
        ("", (("", ""),), "demo", "8", "8 GPUs are asked for, 4 can be seen here"),
    ],
)
def test_gpus_are_asked_of_the_workers_that_there_are(
    cluster: str, crew: tuple[tuple[str, str], ...], profile: str, gpus: str, trouble: str, tmp_path: Path
) -> None:
    status = QueueStatus(is_owner=False, has_gpus=any(kind != "cpu" for _, kind in crew), crew=crew)
    machine = machine_of(reading_of(gpus=4), tmp_path, Settings(cluster=cluster), "NVIDIA H100", None, status)
    request = replace(REQUEST, profile=profile, gpus=gpus)
    seen = look_ahead(request, REFERENCE_TO_VIDEO.plan(request), Estimate(60.0, 1.0, True), Turn(), machine, NOW, None)
    assert seen.trouble.startswith(trouble) and bool(seen.trouble) is bool(trouble)
    assert (seen.ends is None) is bool(trouble)


def test_what_jobs_took_here_corrects_what_a_form_says_as_it_does_for_the_queue(tmp_path: Path) -> None:
    memory, peaks = Memory(200 << 30, 200 << 30, 0), PeakBook(tmp_path / "memory.json")
    machine = Machine(gpus=1, memory=memory, discrete=True, peaks=peaks)

    def needed() -> int:
        return look_ahead(
            REQUEST, PLAN, Estimate(9.0, 1.0, True), Turn(), machine, datetime(2026, 1, 1), None
        ).needs_bytes

    before = needed()
    peaks.note(kind_of(REQUEST, "cuda"), 100, 125)
    peaks.note(kind_of(REQUEST, "cpu"), 100, 150)
    load = requested_plan(REQUEST, discrete=True, gpus=1)
    queued = admit(PLAN, load, memory, 0, ComputeDevice(on_cpu=False, discrete=True), correction=1.25)
    assert needed() == queued.needed_bytes == int(before * 1.25)

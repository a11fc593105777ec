"""The time of a job that several GPUs share, learned or guessed, and hours of rest in its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO, ReferenceToVideo
from skyreels_tui.app.machine import machine_of
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.eta.model import Estimate
from skyreels_tui.eta.outlook import Machine, Turn, look_ahead, turn_of
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.settings.hours import parse_hours
from skyreels_tui.settings.settings import Settings
from tests.live.test_eta import Script, run
from tests.ui.conftest import ASTRONAUT

REQUEST = ReferenceToVideo(prompt="a walk", ref_imgs=(str(ASTRONAUT),), resolution="720P")
PLAN = REFERENCE_TO_VIDEO.plan(REQUEST)
TASK = "reference_to_video"


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

"""The estimate of the form knows the queue, goes on with the clock, and says in red why a job cannot run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.front.request import Request
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.monitors.sample import DiskReading, FileSystem, GpuReading, MemoryReading, Pool, Sample
from skyreels_tui.queue.events import JobChanged, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui import intents
from skyreels_tui.ui.widgets.fact_lines import FactLines
from tests.ui.conftest import Session
from tests.ui.scenes import GIB, NOW, RUNNING, forecast, make_files, open_app, reading, still

RED = "$text-error"
BUSY = QueueForecast(((13, 450.0), (14, 5340.0)), 5790.0)


def demo() -> ReferenceToVideo:
    return ReferenceToVideo(prompt="a walk", ref_imgs=("hero.png",), resolution="128P", profile="demo")


def full(**values: Any) -> ReferenceToVideo:
    return ReferenceToVideo(prompt="a walk", ref_imgs=("hero.png",), resolution="720P", **values)


@pytest.fixture
async def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    make_files(tmp_path)
    still(monkeypatch, tmp_path)
    async with open_app(tmp_path, (120, 36)) as s:
        yield s


@pytest.fixture
def form(session: Session) -> Callable[[Request], Awaitable[None]]:
    async def open_(request: Request, job_id: int | None = None) -> None:
        values = json.loads(request.to_json())
        session.app.post_message(intents.OpenForm("reference_to_video", values, "x", edit_job_id=job_id))
        await session.until(lambda: said(session) and "disk " in said(session), "the estimate")

    return open_


def groups(session: Session) -> tuple[tuple[tuple[str, ...], str], ...]:
    boxes = session.app.screen.query(FactLines)
    return boxes.first()._groups if boxes else ()


def said(session: Session) -> str:
    return " · ".join(fact for facts, _ in groups(session) for fact in facts)


def red(session: Session) -> list[str]:
    return [fact for facts, style in groups(session) if style == RED for fact in facts]


def at(session: Session, moment: datetime) -> None:
    session.app.wall_clock = lambda: moment


async def test_the_end_comes_after_the_queue_and_goes_on_with_the_clock_and_the_running_job(session, form) -> None:
    await form(demo())
    # 842 s of the running job and 5790 s of two that wait: 1 h 50 min 32 s, and 4 s of its own.
    await session.shows("done about 15:53, after 3 jobs")
    at(session, NOW + timedelta(minutes=10))
    await session.shows("done about 16:03, after 3 jobs")
    queue = forecast()
    session.app.publish_forecast(replace(queue, running_seconds=(242.0,)))
    await session.shows("done about 15:53, after 3 jobs")
    session.app.publish_forecast(QueueForecast())
    await session.shows("done about 14:13 ·")
    assert "after" not in said(session) and not red(session)


@pytest.mark.parametrize(
    ("job_id", "words"),
    [(13, "done about 14:17, after 1 job"), (14, "done about 14:24, after 2 jobs"), (15, "done about 15:53, after 3")],
)
async def test_an_edited_job_keeps_its_turn(session, form, job_id, words) -> None:
    await form(demo(), job_id)
    await session.shows(words)


async def test_a_job_of_unknown_length_before_it_leaves_no_end(session, form) -> None:
    await form(demo())
    session.app.publish_forecast(replace(forecast(), unknown=1))
    await session.shows("no end can be told: a job before it is not known")


@pytest.mark.parametrize("pause", ["after_job", "now", "memory", "disk", "lock"])
async def test_a_queue_that_does_not_run_has_no_end_anywhere(session, form, pause) -> None:
    await form(demo())
    session.app.publish_event(JobChanged(replace(RUNNING, state=JobState.DONE)))
    session.app.publish_event(QueueStatus(is_owner=True, engine="idle", pause=pause))
    await session.shows("no end can be told: the queue does not run")
    assert "queue ends" not in session.text
    assert "done" not in said(session)


def machine(memory_gib: float = 55.1, total_gib: float = 119.7, disk_gib: float = 1740.0, gpus: int = 1) -> Sample:
    sample = reading()
    assert sample.memory is not None and sample.gpu is not None
    return Sample(sample.at, dict(
        gpu=replace(sample.gpu, count=gpus),
        memory=replace(sample.memory, total_bytes=round(total_gib * GIB), available_bytes=round(memory_gib * GIB),
                       weights_bytes=None, spare_bytes=None),
        disk=DiskReading((FileSystem(("results", "cache", "state"), "/data", 4 * 2**40, round(disk_gib * GIB)),)),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "request_", "queue", "words"),
    [
        (machine(8, 12), full(), BUSY, "more than this machine's 12 GiB can give"),
        (machine(6, 119), full(), QueueForecast(), "available: close other programs"),
        (machine(disk_gib=0.01), demo(), QueueForecast(), "disk full: needs 35.1 MiB on result"),
        (machine(disk_gib=30), demo(), QueueForecast(needs_bytes=30 * GIB), "of which jobs before it take 30"),
        (machine(), full(gpus="2"), BUSY, "2 GPUs are asked for, 1 can be seen here"),
        (machine(gpus=2), full(gpus="4"), BUSY, "4 GPUs are asked for, 2 can be seen here"),
    ],
    ids=["never fits", "does not fit now", "disk", "disk after the queue", "one GPU", "two GPUs"],
)  # fmt: skip
async def test_what_stops_it_is_one_red_reason_without_an_end(session, form, sample, request_, queue, words) -> None:
    session.app.publish_sample(machine())
    await form(demo() if request_.profile == "demo" else full())
    assert not red(session)
    if request_.gpus != "1":
        session.app.screen._fields.set_value("gpus", request_.gpus)
        session.app.screen._on_field_changed()
    session.app.publish_forecast(queue)
    session.app.publish_sample(sample)
    await session.until(lambda: words in said(session), words)
    assert words in red(session)[0]
    assert "done" not in said(session) and len([fact for fact in red(session) if "needs" in fact or "GPU" in fact]) == 1
    session.app.publish_sample(machine(gpus=4))
    session.app.publish_forecast(forecast())
    await session.until(lambda: not red(session) and "done about" in said(session), "it fits again")


async def test_gpus_are_asked_of_the_workers_of_a_cluster_that_others_may_join(session, form) -> None:
    live = session.app.services.settings
    live.change(replace(live.now, cluster="spark-01.lan:6379"))
    crew = tuple((f"spark-0{number} gpu 0", "GB10") for number in (1, 2, 3, 4))
    session.app.publish_event(QueueStatus(is_owner=False, engine="idle", workers=2, crew=crew[:2]))
    await form(full())
    await session.until(lambda: not red(session), "one of them takes it")
    session.app.screen._fields.set_value("gpus", "4")
    session.app.screen._on_field_changed()
    await session.shows("4 workers are asked for, 2 there now: it waits until there are so many")
    assert "done" not in said(session) and red(session)
    session.app.publish_event(QueueStatus(is_owner=False, engine="idle", workers=4, crew=crew))
    session.app.publish_forecast(QueueForecast(workers=4))
    await session.until(lambda: not red(session) and "done about" in said(session), "four are there")


async def test_without_a_gpu_no_time_is_told_for_real_models_and_the_demo_is_told_as_ever(session, form) -> None:
    session.app.services.gpu_name = lambda: ""
    session.app.publish_sample(
        Sample(1.0, dict(
            gpu=GpuReading(problem="no NVIDIA driver on this machine"),
            memory=MemoryReading(Pool.SYSTEM, total_bytes=21 * GIB, used_bytes=3 * GIB, available_bytes=18 * GIB),
        ))
    )  # fmt: skip
    await form(full())
    await session.until(lambda: red(session), "red")
    assert red(session)[0] == "no GPU for it on this machine: the demo models run without one"
    assert not any(word in said(session) for word in ("done", "about", " h ", " min"))
    assert "memory " in said(session)
    await session.press("ctrl+o")
    await session.until(lambda: "128x" in said(session) or "done about" in said(session), "the demo")
    assert not red(session)


async def test_a_long_reason_is_whole_at_80_columns(tmp_path, monkeypatch) -> None:
    make_files(tmp_path)
    still(monkeypatch, tmp_path)
    async with open_app(tmp_path, (80, 24)) as s:
        values = json.loads(full().to_json())
        s.app.publish_sample(machine(8, 12))
        s.app.post_message(intents.OpenForm("reference_to_video", values, "x"))
        await s.until(lambda: "choose a lower resolution or a shorter video" in s.words, "the whole reason")

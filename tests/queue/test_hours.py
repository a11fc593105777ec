"""Jobs in given hours: none starts outside, a running one stops at its step and goes on, and the end is told right."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueStatus
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.settings.hours import parse_hours, parse_time
from skyreels_tui.settings.settings import Settings, SettingsError
from skyreels_tui.settings.typed import with_text
from tests.queue.conftest import WAIT_S, Events, make_request

DAY = datetime(2026, 3, 1)
NIGHT, NOON = parse_hours("22:00-07:00"), parse_hours("9:30 - 17:00")


def at(hour: int, minute: int = 0, day: int = 0) -> datetime:
    return DAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("hours", "now", "begins"),
    [
        (NIGHT, at(21, 59), at(22)),
        (NIGHT, at(22), at(22)),
        (NIGHT, at(3), at(3)),
        (NIGHT, at(6, 59), at(6, 59)),
        (NIGHT, at(7), at(22)),
        (NOON, at(9, 29), at(9, 30)),
        (NOON, at(12), at(12)),
        (NOON, at(17), at(9, 30, day=1)),
    ],
)
def test_when_they_begin(hours, now, begins):
    assert hours.next_start(now) == begins
    assert hours.hold(now) is (begins == now)


@pytest.mark.parametrize(
    ("hours", "now", "work_h", "done"),
    [
        (NIGHT, at(21), 1, at(23)),
        (NIGHT, at(22), 9, at(7, day=1)),
        (NIGHT, at(22), 10, at(23, day=1)),
        (NIGHT, at(6), 0, at(6)),
        (NOON, at(16), 16, at(9, 30, day=3)),
    ],
)
def test_when_work_is_done(hours, now, work_h, done):
    """Nine hours a night, seven and a half a day; work that fits to the minute ends with the hours."""
    expected = done if (hours, work_h) != (NOON, 16) else at(17, day=2)
    assert hours.after_work(now, work_h * 3600) == expected


@pytest.mark.parametrize("text", ["22", "22:00", "24:00-7:00", "22:60-7:00", "7:00-7:00", "22:00-07:00x", "-", "a-b"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 22:00-07:00"):
        parse_hours(text)
    with pytest.raises(SettingsError, match="hours: write two times"):
        with_text(Settings(), "hours", text)


@pytest.mark.parametrize("text", ["22", "24:00", "7:60", "22:00-07:00", ""])
def test_one_time_is_one_time(text):
    with pytest.raises(ValueError, match="such as 22:00"):
        parse_time(text)


def test_a_setting_that_is_empty_means_always():
    assert Settings().running_hours is None
    assert str(with_text(Settings(), "hours", "22:00-7:00").running_hours) == "22:00-07:00"


class Clock:
    """The time on the wall, as the test sets it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def status(message: str):
    return lambda event: isinstance(event, QueueStatus) and event.pause == "hours" and event.message == message


def test_a_job_runs_at_night_stops_in_the_morning_and_goes_on_in_the_evening(open_service):
    events, clock = Events(), Clock(at(21))
    executor = FakeExecutor(Script(num_steps=4), gated=True)
    service = open_service(executor, events=events, clock=clock, hours=NIGHT)
    job = service.actions.add(make_request())
    events.wait_for(status("starts at 22:00"))
    assert executor.began == [] and service.job(job.id).state is JobState.QUEUED

    clock.now = at(22)
    service.actions.unpause()
    executor.advance()
    events.wait_for(lambda e: isinstance(e, JobProgress) and (e.progress.stage, e.progress.step) == (Stage.DENOISE, 1))
    clock.now = at(7, day=1)
    executor.advance()
    stopped = events.wait_for(lambda e: isinstance(e, JobChanged) and e.job.reason.code is Code.OUTSIDE_HOURS).job
    assert (stopped.state, str(stopped.reason)) == (JobState.QUEUED, "goes on at 22:00")
    assert stopped.step >= 1

    # Whoever wants it now says so.
    service.options = replace(service.options, hours=None)
    service.actions.unpause()
    executor.open_gate()
    assert service.wait(job.id, WAIT_S).state is JobState.DONE


def test_a_start_that_is_set_for_later_is_waited_for(open_service):
    events, clock = Events(), Clock(at(20))
    service = open_service(events=events, clock=clock, not_before=at(20, 30))
    job = service.actions.add(make_request())
    events.wait_for(status("starts at 20:30"))
    clock.now = at(20, 31)
    service.actions.unpause()
    assert service.wait(job.id, WAIT_S).state is JobState.DONE


def test_a_job_that_a_person_waits_for_is_not_put_off(open_service):
    service = open_service(start=False, clock=Clock(at(12)), hours=NIGHT)
    job = service.actions.add(make_request())
    service.start(only_job=job.id)
    assert service.wait(job.id, WAIT_S).state is JobState.DONE

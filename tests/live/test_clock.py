"""The clock against recorded jobs of every task: what it promises comes true, and it says why when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import pipelines.tasks
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.words.times import KNOWN, ROUGH
from tests.live.replay import MACHINES, TASKS, TICKS, Tick, plan_of, replay, unsaid_rise

ERROR, RISE = 0.15, 0.1
A_MOMENT_S, A_MOMENT = 2.0, 0.002
"""Seconds, and part of the whole job, that are no error: at its end a write of two seconds is all that is left."""


def book_of(folder: Path, machine: str) -> EtaBook:
    return EtaBook(folder / "rates.json", lambda: MACHINES[machine].gpu)


def is_right(tick: Tick) -> bool:
    """Whether what is shown is true: a time within the error, a range that holds the truth, or a dash."""
    if tick.error < ERROR or abs(tick.left_s - tick.truth_s) < max(A_MOMENT_S, A_MOMENT * (tick.now + tick.truth_s)):
        return True
    if tick.spread > ROUGH:
        return True
    return tick.spread >= KNOWN and tick.left_s / tick.spread <= tick.truth_s <= tick.left_s * tick.spread


@pytest.mark.parametrize("load", ["steady", "doubles", "halves"])
@pytest.mark.parametrize("run", ["cold", "warm"])
@pytest.mark.parametrize("machine", list(MACHINES))
@pytest.mark.parametrize("task", TASKS)
def test_after_a_third_the_time_left_is_right_and_never_grows_without_a_word(
    tmp_path: Path, task: str, machine: str, run: str, load: str
) -> None:
    ticks = replay(task, run, MACHINES[machine], load, book_of(tmp_path, machine))
    since = ticks[-1].now / 3
    if load != "steady":
        # Nobody knows of a change before it has come: from the first whole step at the new speed.
        since = max(since, ticks[-1].changed_s)
        assert since < ticks[-1].now
    wrong = [tick for tick in ticks if tick.now >= since and not is_right(tick)]
    assert not wrong, max(wrong, key=lambda tick: tick.error)
    assert unsaid_rise(ticks) <= RISE + 0.001
    if load == "doubles":
        between = [tick for tick in ticks if ticks[-1].now / 3 <= tick.now <= ticks[-1].changed_s]
        assert any(tick.slower for tick in between), "the growth has its word"


@pytest.mark.parametrize("run", ["cold", "warm"])
@pytest.mark.parametrize("machine", list(MACHINES))
@pytest.mark.parametrize("task", TASKS)
def test_a_job_is_known_once_a_step_has_ended_or_one_like_it_was_made(
    tmp_path: Path, task: str, machine: str, run: str
) -> None:
    book = book_of(tmp_path, machine)
    first = replay(task, run, MACHINES[machine], "steady", book)
    half = [tick for tick in first if tick.now >= first[-1].now / 2]
    assert all(tick.spread < ROUGH for tick in half), "a step has ended by then"
    again = replay(task, run, MACHINES[machine], "steady", book)
    assert all(tick.spread < KNOWN for tick in again)
    assert all(is_right(tick) for tick in again if tick.now >= again[-1].now / 3)
    assert unsaid_rise(again) <= RISE


def test_recorded_jobs_have_all_their_windows(tmp_path: Path) -> None:
    counts = {task: len(plan_of(task).segments) for task in TASKS}
    assert set(counts) == {task.name for task in pipelines.tasks.TASKS}
    assert counts["single_shot_extension"] == 3
    assert counts["talking_avatar"] >= 3, "several pieces"
    ticks = replay("talking_avatar", "warm", MACHINES["slow"], "steady", book_of(tmp_path, "slow"))
    assert len(ticks) > TICKS * 0.99

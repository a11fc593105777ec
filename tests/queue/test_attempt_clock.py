"""The clock of an attempt: durations by a monotonic clock, whatever the wall clock does."""

from __future__ import annotations

from datetime import datetime

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.engine.attempt.clock import AttemptClock
from tests.queue.conftest import WAIT_S, make_request


def test_steps_stages_and_resumes_are_timed():
    now = [100.0]
    clock = AttemptClock(lambda: now[0])

    def see(seconds: float, stage: Stage, step: int = 0, segment: int = 0) -> bool:
        now[0] += seconds
        return clock.see(Progress(stage, step, 8, segment, 2))

    assert see(0, Stage.LOAD)
    assert not see(1, Stage.LOAD), "more of the same stage is nothing for the row"
    see(2, Stage.DENOISE, step=3)
    assert see(10, Stage.DENOISE, step=4) and not see(1, Stage.DENOISE, step=4)
    see(11, Stage.DENOISE, step=6)
    see(0, Stage.DECODE)
    see(5, Stage.DENOISE, step=0, segment=1)
    see(7, Stage.DENOISE, step=1, segment=1)
    # Step 4 took 10 s; 5 and 6 were told together after 12 s; the second segment's first step took 7 s.
    assert clock.step_seconds == (10.0, 6.0, 7.0)
    assert clock.stage_seconds == (("load", 3.0), ("denoise", 22.0), ("decode", 5.0))
    assert clock.elapsed_s == 37.0


def test_a_wall_clock_that_jumps_back_a_year_changes_no_duration(open_service):
    now = [datetime(2030, 1, 1)]
    executor = FakeExecutor(Script(num_steps=4, step_s=0.01), gated=True)
    service = open_service(executor, clock=lambda: now[0])
    added = service.actions.add(make_request())
    now[0] = datetime(2029, 1, 1)
    executor.open_gate()
    job = service.wait(added.id, WAIT_S)
    assert job.finished_at < job.created_at
    assert job.run_seconds == pytest.approx(0.1, abs=5) and job.run_seconds > 0.04

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.cost import WAN_14B, make_plan
from pipelines.front.plan import Plan, Segment
from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.follow import JobEta, current_scale
from skyreels_tui.eta.model import Rates, predict, prior_rates
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.eta.time_left import TimeLeft
from skyreels_tui.queue.events import JobChanged
from skyreels_tui.queue.model import JobState
from tests.live.conftest import job_of

LOAD_S, DECODE_S, WRITE_S = 60.0, 40.0, 2.0


def plan_of(num_segments: int = 1, num_steps: int = 8, tokens: int = 71_400) -> Plan:
    segment = Segment(tokens, num_steps, 1, 31, 121)
    return make_plan(WAN_14B, height=544, width=960, fps=24, segments=[segment] * num_segments, encoded_frames=0)


class Script:
    """A scripted engine: reports each stage and step, with the seconds of the attempt, which it moves itself."""

    def __init__(self, plan: Plan, step_s: Callable[[int], float], decode_s: float = DECODE_S) -> None:
        self.now = 0.0
        self.plan, self.step_s, self.decode_s = plan, step_s, decode_s

    def reports(self) -> Iterator[Progress]:
        segments = self.plan.segments
        yield Progress(Stage.LOAD, num_segments=len(segments))
        self.now += LOAD_S
        done = 0
        for index, segment in enumerate(segments):
            for step in range(segment.num_steps + 1):
                yield Progress(Stage.DENOISE, step, segment.num_steps, index, len(segments))
                if step < segment.num_steps:
                    self.now += self.step_s(done)
                    done += 1
            yield Progress(Stage.DECODE, 0, 0, index, len(segments))
            self.now += self.decode_s
        yield Progress(Stage.WRITE, 0, 0, len(segments) - 1, len(segments))
        self.now += WRITE_S


def run(script: Script, eta: JobEta) -> list[tuple[Progress, float, float]]:
    """Return (report, predicted end, elapsed) of every report, and finish when writing begins."""
    seen = []
    for report in script.reports():
        seen.append((report, script.now + eta.update(report, script.now).left_s(), script.now))
        if report.stage is Stage.WRITE:
            eta.finish()
    return seen


def errors_after(seen: list[tuple[Progress, float, float]], end: float, step: int) -> list[float]:
    """Error of the time left, in shares of it, at every report from `step` on until the last step."""
    began = next(
        index for index, (report, *_) in enumerate(seen) if report.stage is Stage.DENOISE and report.step == step
    )
    return [
        abs(predicted - end) / (end - now)
        for report, predicted, now in seen[began:]
        if report.stage is Stage.DENOISE and end > now
    ]


def learned_book(path: Path, step_s: Callable[[int], float], num_segments: int = 1) -> EtaBook:
    """A book that has seen one job of the same kind."""
    book = EtaBook(path, lambda: "NVIDIA GB10")
    plan = plan_of(num_segments)
    script = Script(plan, step_s)
    run(script, book.follow("reference_to_video", plan))
    return book


def test_prior_of_a_spark_is_near_what_people_measured() -> None:
    plan = plan_of(tokens=71_400)
    estimate = predict(plan, prior_rates("NVIDIA GB10", plan))
    assert estimate.step_s == pytest.approx(101, rel=0.1)
    assert estimate.total_s == pytest.approx(16.6 * 60, rel=0.15)
    assert not estimate.learned


def test_faster_gpus_and_no_gpu_have_their_own_priors() -> None:
    plan = plan_of()
    names = ["NVIDIA H200", "NVIDIA GB10", "Some New GPU", ""]
    steps = [predict(plan, prior_rates(name, plan)).step_s for name in names]
    assert steps == sorted(steps)


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_constant_steps_are_known_after_the_first(speed: float) -> None:
    plan = plan_of()
    script = Script(plan, lambda _: 100 * speed)
    seen = run(script, JobEta(plan, prior_rates("NVIDIA GB10", plan)))
    assert errors_after(seen, script.now, 1)[0] <= 0.10


@pytest.mark.parametrize("drift", [0.98, 1.02])
def test_drifting_steps_stay_within_ten_percent(tmp_path: Path, drift: float) -> None:
    book = learned_book(tmp_path / "rates.json", lambda _: 100.0)
    plan = plan_of()
    script = Script(plan, lambda step: 90 * drift**step)
    seen = run(script, book.follow("reference_to_video", plan))
    assert max(errors_after(seen, script.now, 1)) <= 0.10


def test_slow_first_step_is_expected_once_it_was_seen(tmp_path: Path) -> None:
    def two_speed(step: int) -> float:
        return 160.0 if step == 0 else 100.0

    book = learned_book(tmp_path / "rates.json", two_speed)
    plan = plan_of()
    assert book.estimate("reference_to_video", plan).total_s == pytest.approx(
        LOAD_S + 160 + 700 + DECODE_S + WRITE_S, rel=0.01
    )
    script = Script(plan, two_speed)
    seen = run(script, book.follow("reference_to_video", plan))
    assert max(errors_after(seen, script.now, 1)) <= 0.03


@pytest.mark.parametrize("stage", [Stage.LOAD, Stage.TEXT])
def test_a_resumed_job_counts_what_is_left_from_its_first_report(tmp_path: Path, stage: Stage) -> None:
    book = learned_book(tmp_path / "rates.json", lambda _: 100.0, num_segments=2)
    eta = book.follow("reference_to_video", plan_of(2), goes_on_at=(1, 6))
    left = eta.update(Progress(stage, segment=0 if stage is Stage.LOAD else 1, num_segments=2), 0.0).left_s()
    assert left == pytest.approx(LOAD_S + 2 * 100 + DECODE_S + WRITE_S, rel=0.02)


def test_unknown_slow_first_step_is_forgotten_at_the_second() -> None:
    plan = plan_of()
    script = Script(plan, lambda step: 180.0 if step == 0 else 100.0)
    seen = run(script, JobEta(plan, prior_rates("NVIDIA GB10", plan)))
    assert max(errors_after(seen, script.now, 2)) <= 0.10


def test_change_of_speed_is_believed_at_its_second_step(tmp_path: Path) -> None:
    book = learned_book(tmp_path / "rates.json", lambda _: 100.0, num_segments=2)
    plan = plan_of(2)
    script = Script(plan, lambda step: 100.0 if step < 6 else 170.0)
    seen = run(script, book.follow("reference_to_video", plan))
    assert max(errors_after(seen, script.now, 1)) > 0.10, "nobody can know before it happens"
    after = [
        abs(predicted - script.now) / (script.now - now)
        for report, predicted, now in seen
        if (report.segment, report.step) >= (1, 0) and report.stage is Stage.DENOISE
    ]
    assert max(after) <= 0.10


def test_alternating_speeds_average_out() -> None:
    ratios = [1.0, 1.4] * 6
    scales = [current_scale(ratios[:count]) for count in range(4, 13)]
    assert all(abs(scale - 1.2) / 1.2 <= 0.10 for scale in scales)


def test_learning_survives_a_restart_and_serves_other_sizes(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    learned_book(path, lambda _: 50.0)
    again = EtaBook(path, lambda: "NVIDIA GB10")
    same = again.estimate("reference_to_video", plan_of())
    assert same.learned
    assert same.step_s == pytest.approx(50.0, rel=0.01)
    larger = again.estimate("reference_to_video", plan_of(tokens=80_000))
    assert not larger.learned
    assert larger.step_s == pytest.approx(50 * plan_of(tokens=80_000).denoise_flops / plan_of().denoise_flops)
    assert not again.estimate("talking_avatar", plan_of()).learned


def test_a_damaged_memory_is_only_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_text('{"reference_to_video 544x960 71400": {"flops_per_s": 1')
    assert not EtaBook(path).estimate("reference_to_video", plan_of()).learned


def test_a_resumed_job_counts_only_what_is_left() -> None:
    plan = plan_of()
    rates = replace(prior_rates("NVIDIA GB10", plan), flops_per_s=plan.denoise_flops / 800, load_s=60.0)
    now = [0.0]
    eta = JobEta(plan, rates)
    eta.update(Progress(Stage.LOAD), now[0])
    now[0] = 60.0
    left = eta.update(Progress(Stage.DENOISE, 5, 8), now[0]).left_s()
    vae = plan.vae_flops / rates.vae_flops_per_s
    assert left == pytest.approx(300 + vae + rates.write_s)
    now[0] = 260.0
    assert eta.update(Progress(Stage.DENOISE, 6, 8), now[0]).left_s() == pytest.approx(400 + 2 * vae + rates.write_s)


def test_decoding_of_one_piece_teaches_the_next() -> None:
    plan = plan_of(3)
    rates = Rates(plan.denoise_flops / 2400, plan.vae_flops / 30, LOAD_S, write_s=WRITE_S)
    script = Script(plan, lambda _: 100.0, decode_s=50.0)
    seen = run(script, JobEta(plan, rates))
    last = [predicted for report, predicted, _ in seen if report.segment == 1 and report.stage is Stage.DENOISE]
    assert last[-1] == pytest.approx(script.now, abs=1.0)


def test_the_running_decode_tells_of_those_that_follow() -> None:
    """Near the end of the first of three it said 4:35 where 8:20 were left."""
    plan = plan_of(3)
    rates = Rates(plan.denoise_flops / 30, plan.vae_flops / 30, LOAD_S, write_s=WRITE_S, doubt=30.0)
    eta = JobEta(plan, rates)
    now = 0.0
    for step in range(9):
        eta.update(Progress(Stage.DENOISE, step, 8, 0, 3), now)
        now += 10.0 / 8
    for piece in range(21):
        left_s = eta.update(Progress(Stage.DECODE, piece, 21, 0, 3), now).left_s()
        now += 140.0 / 21
    assert left_s == pytest.approx(140 / 21 + 2 * (10 + 140) + WRITE_S, rel=0.1)


def test_a_decode_slower_than_ever_is_noticed_while_it_runs() -> None:
    plan = plan_of()
    rates = Rates(plan.denoise_flops / 800, plan.vae_flops / 40, LOAD_S, write_s=WRITE_S)
    now = [0.0]
    eta = JobEta(plan, rates)
    seen = []
    for chunk in range(5):
        seen.append(eta.update(Progress(Stage.DECODE, chunk, 4), now[0]).left_s() - WRITE_S)
        now[0] += 100.0
    assert seen[0] == pytest.approx(40)
    assert seen[2] == pytest.approx((200 + 20) / 2), "half of it is known, half of it as ever"
    assert seen[3] == pytest.approx(100, rel=0.25)
    assert seen[4] == 0


def test_time_within_a_step_counts_down_and_a_late_step_slows_all_that_follow() -> None:
    plan = plan_of()
    rates = Rates(plan.denoise_flops / 800, plan.vae_flops / 40, LOAD_S, write_s=WRITE_S)
    eta = JobEta(plan, rates)
    eta.update(Progress(Stage.LOAD), 0.0)
    pace = eta.update(Progress(Stage.DENOISE, 0, 8), LOAD_S)
    at_edge = pace.left_s()
    assert pace.left_s(30) == pytest.approx(at_edge - 30)
    assert eta.update(Progress(Stage.DENOISE, 0, 8), LOAD_S + 30).left_s() == pytest.approx(at_edge - 30)
    assert not pace.is_slower(100)
    assert pace.left_s(300) == pytest.approx(3 * (700 + 40) + 100 + WRITE_S), "and needs half of its delay again"
    assert pace.is_slower(300)


def test_each_attempt_has_its_estimate_and_its_end_is_learned(tmp_path: Path, photo: str) -> None:
    book = EtaBook(tmp_path / "rates.json", lambda: "NVIDIA GB10")
    time_left = TimeLeft(book)
    job = job_of(photo, state=JobState.RUNNING, attempts=1)
    guess = book.estimate(job.task_type, job.task.plan(job.request)).total_s
    first = time_left(job, Progress(Stage.LOAD), (), 0.0)
    assert first is not None
    assert first.left_s() == pytest.approx(guess, rel=0.01)
    for step in range(9):
        time_left(job, Progress(Stage.DENOISE, step, 8), (), 10 + 0.5 * step)
    time_left(job, Progress(Stage.WRITE), (), 15.0)
    time_left.learn(JobChanged(replace(job, state=JobState.DONE)))
    learned = book.estimate(job.task_type, job.task.plan(job.request))
    assert learned.learned
    assert learned.step_s == pytest.approx(0.5), "by the attempt's own clock, not by that of the wall"


def test_a_job_whose_picture_has_gone_has_no_estimate(tmp_path: Path) -> None:
    time_left = TimeLeft(EtaBook(tmp_path / "rates.json"))
    assert time_left(job_of(str(tmp_path / "gone.png")), Progress(Stage.LOAD), (), 0.0) is None


def test_an_instant_engine_does_not_divide_by_zero() -> None:
    plan = plan_of()
    eta = JobEta(plan, prior_rates("", plan))
    for step in range(9):
        assert eta.update(Progress(Stage.DENOISE, step, 8), 5.0).left_s() >= 0
    eta.finish()

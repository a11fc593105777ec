"""One road from a job to its plan: whatever cannot be read is said in words, and never ends what asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.errors import PipelineError
from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.eta.time_left import TimeLeft
from skyreels_tui.queue.engine.parts import planned_needs
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.requests.forms import check_form
from skyreels_tui.requests.planning import known_plan, plan_of
from tests.live.conftest import job_of, photo  # noqa: F401 - photo is a fixture


def without_inputs(job: Job, folder: Path) -> Job:
    return replace(job, request_json=job.request.to_json().replace(job.request.ref_imgs[0], ""))  # type: ignore[attr-defined]


def no_list_of_inputs(job: Job, folder: Path) -> Job:
    empty = replace(job.request, ref_imgs=())  # type: ignore[call-arg]
    return replace(job, request_json=empty.to_json())


def a_picture_that_is_gone(job: Job, folder: Path) -> Job:
    return job_of(str(folder / "gone.png"))


def a_picture_that_is_none(job: Job, folder: Path) -> Job:
    (folder / "words.png").write_text("words")
    return job_of(str(folder / "words.png"))


def a_folder(job: Job, folder: Path) -> Job:
    return job_of(str(folder))


def an_input_yet_to_be_made(job: Job, folder: Path) -> Job:
    return job_of("{{job:first}}")


def a_size_of_a_newer_version(job: Job, folder: Path) -> Job:
    return replace(job, request_json=job.request_json.replace('"540P"', '"8000P"'))


def a_number_in_words(job: Job, folder: Path) -> Job:
    return replace(job, request_json=job.request_json.replace('"duration": 5', '"duration": "five"'))


def a_task_of_a_newer_version(job: Job, folder: Path) -> Job:
    return replace(job, task_type="video_to_reference")


def a_request_cut_off(job: Job, folder: Path) -> Job:
    return replace(job, request_json=job.request_json[:20])


UNREADABLE = (
    without_inputs, no_list_of_inputs, a_picture_that_is_gone, a_picture_that_is_none, a_folder,
    an_input_yet_to_be_made, a_size_of_a_newer_version, a_number_in_words, a_task_of_a_newer_version, a_request_cut_off,
)  # fmt: skip


@pytest.mark.parametrize("spoil", UNREADABLE, ids=lambda spoil: spoil.__name__)
def test_what_cannot_be_read_has_no_plan_and_stops_nothing(spoil: object, photo: str, tmp_path: Path) -> None:  # noqa: F811
    job = spoil(job_of(photo), tmp_path)  # type: ignore[operator]
    assert known_plan(job) is None
    with pytest.raises(PipelineError, match=r"\w"):
        plan_of(job)
    assert planned_needs(job, tmp_path, tmp_path) == []
    book = EtaBook(tmp_path / "rates.json")
    running = replace(job, state=JobState.RUNNING, attempts=1)
    assert TimeLeft(book)(running, Progress(Stage.LOAD), (), 1.0) is None
    forecast = Forecast(lambda: [job, running], book).read()
    assert (forecast.unknown, forecast.job_seconds, forecast.unreadable) == (1, (), {job.id})


@pytest.mark.parametrize("spoil", UNREADABLE[:6], ids=lambda spoil: spoil.__name__)
def test_a_form_says_which_field_it_is(spoil: object, photo: str, tmp_path: Path) -> None:  # noqa: F811
    job = spoil(job_of(photo), tmp_path)  # type: ignore[operator]
    checked = check_form(job.task, job.request, tmp_path)
    assert checked.plan is None
    if spoil is not an_input_yet_to_be_made:
        assert {problem.field for problem in checked.problems} == {"ref_imgs"}


def test_all_who_ask_get_the_same_plan(photo: str, tmp_path: Path) -> None:  # noqa: F811
    job = job_of(photo)
    plan = plan_of(job)
    assert known_plan(job) == plan == check_form(job.task, job.request, tmp_path).plan
    results, work = planned_needs(job, tmp_path / "work", tmp_path / "result")
    assert (results.num_bytes, work.num_bytes) == (plan.output_bytes, plan.work_bytes)
    book = EtaBook(tmp_path / "rates.json")
    forecast = Forecast(lambda: [job], book).read()
    assert dict(forecast.job_seconds) == {job.id: pytest.approx(book.estimate(job.task_type, plan).total_s)}

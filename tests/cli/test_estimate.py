"""`estimate`: what a job takes and when it is done after the queue, in words and as JSON; it queues nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO, ReferenceToVideo
from skyreels_tui.eta.rates import RATES_FILE, EtaBook
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.service import QueueService
from tests.cli.conftest import Call
from tests.cli.test_queue_commands import job, other_process  # noqa: F401 - fixtures
from tests.live.test_eta import Script, run
from tests.queue.test_workers import Shelf
from tests.web.served import until

Cli = Callable[..., Call]


def test_alone_it_is_done_after_its_own_time(cli: Cli, job: tuple[object, ...]) -> None:  # noqa: F811
    found = cli("estimate", *job, "--json").data
    assert found["jobs_before"] == 0 and found["fits"] and not found["trouble"]
    assert found["ends_in_s"] == pytest.approx(found["seconds"], abs=0.11)
    end = datetime.fromisoformat(found["ends_at"])
    assert end.utcoffset() is not None
    assert abs(end - datetime.now().astimezone() - timedelta(seconds=found["seconds"])) < timedelta(seconds=60)
    assert cli("list", "--json").data == []


def test_it_comes_after_every_job_that_waits_and_no_other(cli: Cli, job: tuple[object, ...]) -> None:  # noqa: F811
    own = cli("estimate", *job, "--json").data["seconds"]
    for _ in range(2):
        cli("add", *job)
    cli("add", *job, "--held")
    found = cli("estimate", *job, "--json").data
    assert found["jobs_before"] == 2
    assert found["ends_in_s"] == pytest.approx(3 * own, abs=1)
    made, takes = cli("estimate", *job).out.splitlines()[:2]
    assert "steps" in made and ", after 2 jobs" in takes


def test_the_running_job_of_another_process_is_before_it(
    cli: Cli, job: tuple[object, ...], other_process: FakeExecutor  # noqa: F811
) -> None:  # fmt: skip
    cli("add", *job)
    until(lambda: cli("status", "--json").data["jobs"].get("running"), "the job to run")
    found = cli("estimate", *job, "--json").data
    assert found["jobs_before"] == 1 and found["ends_in_s"] > found["seconds"]


def test_the_time_is_that_of_the_worker_which_is_free_first(
    cli: Cli, job: tuple[object, ...], picture: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    kinds = {"spark": "GB10", "box": "H100"}
    assert cli("estimate", *job, "--json").data["worker_kind"] == ""
    asked = ReferenceToVideo(ref_imgs=(str(picture),) * 2, prompt="a", profile="demo", resolution="128P")
    plan = REFERENCE_TO_VIDEO.plan(asked)
    book = EtaBook(find_folders().state / RATES_FILE)
    for kind, step_s in (("GB10", 30.0), ("H100", 3.0)):
        run(Script(plan, lambda _, step_s=step_s: step_s), book.follow("reference_to_video", plan, kind=kind))  # type: ignore[misc]
    seconds = {}
    for names in (["spark"], ["box"], ["box", "spark"]):
        shelf = Shelf(*(f"{name} of {kinds[name]}" for name in names), make=lambda: FakeExecutor(gated=True))
        service = QueueService(find_folders(), tmp_path / "theirs", lambda event: None, executor=shelf)
        service.start()
        until(lambda names=names: len(cli("status", "--json").data["workers"]) == len(names), "the workers")
        found = cli("estimate", *job, "--json").data
        assert found["worker_kind"] == kinds[names[0]]
        seconds[names[0]] = found["seconds"]
        if len(names) == 2:
            ids = [cli("add", *job).out.strip() for _ in names]
            until(lambda: cli("status", "--json").data["jobs"].get("running") == 2, "both to run")
            ran = {row["worker"] for row in cli("list", "--json").data if str(row["id"]) in ids}
            assert ran == {"box", "spark"}
            told = cli("status", "--json").data
            assert {one["worker"] for one in told["running"]} == {"box", "spark"} and told["job"] in (1, 2)
            lines = cli("status").out.splitlines()
            assert len(lines) == 2 and all(any(name in line for line in lines) for name in names)
            # Both are busy: the fast one is free first.
            found = cli("estimate", *job, "--json").data
            assert (found["worker_kind"], found["jobs_before"]) == ("H100", 2)
            assert found["ends_in_s"] == pytest.approx(2 * seconds["box"], rel=0.2)
        for executor in shelf.executors.values():
            executor.open_gate()
        assert service.close(timeout_s=60.0)
    assert seconds["spark"] > 2 * seconds["box"]


def test_a_paused_queue_has_no_end(cli: Cli, job: tuple[object, ...]) -> None:  # noqa: F811
    cli("add", *job)
    cli("pause")
    found = cli("estimate", *job, "--json").data
    assert found["ends_at"] is None and found["ends_in_s"] is None and found["seconds"]
    assert "no end can be told: the queue does not run" in cli("estimate", *job).out


def test_real_models_without_a_gpu_have_no_time(cli: Cli, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyreels_tui.monitors.gpu.gpu_name", lambda: "")
    options = ("--ref_imgs", picture, "--prompt", "a", "--resolution", "720P")
    found = cli("estimate", *options, "--json").data
    assert not found["fits"] and found["seconds"] is None and found["ends_at"] is None
    assert found["trouble"].startswith("no GPU for it on this machine")
    words = cli("estimate", *options).out.splitlines()[1]
    assert words.startswith(found["trouble"]) and "done" not in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--resolution", "9P"), "resolution"),
        (("--ref_imgs", "missing.png"), "missing.png"),
        (("--seed", "-1"), "seed"),
        (("--audio", "x"), "audio"),
    ],
)
def test_what_add_refuses_is_refused(cli: Cli, picture: Path, options: tuple[str, ...], words: str) -> None:
    call = cli("estimate", "--task", "reference_to_video", "--prompt", "a", "--ref_imgs", picture, *options)
    assert (call.code, call.out) == (2, "") and words in call.err


def test_it_needs_no_prompt(cli: Cli, picture: Path) -> None:
    assert cli("estimate", "--profile", "demo", "--ref_imgs", picture, "--json").code == 0

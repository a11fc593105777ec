"""The queue from the shell, with a scripted executor in place of the models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.commands import COMMANDS
from skyreels_tui.commands.system.completion import option_strings
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.service import QueueService
from tests.cli.conftest import Call

Cli = Callable[..., Call]


@pytest.fixture
def job(picture: Path) -> tuple[object, ...]:
    """Options of a job that is accepted."""
    return ("--profile", "demo", "--ref_imgs", f"{picture},{picture}", "--prompt", "a [b] cup")


@pytest.fixture
def other_process(home: Path, tmp_path: Path) -> Iterator[FakeExecutor]:
    """Another owner of the queue, which runs jobs as its gate allows."""
    executor = FakeExecutor(gated=True)
    service = QueueService(find_folders(), tmp_path / "theirs", lambda event: None, executor=lambda: executor)
    service.start()
    yield executor
    executor.open_gate()
    service.close()


def test_add_prints_the_id_and_list_shows_the_job(cli: Cli, job: tuple[object, ...], picture: Path) -> None:
    assert cli("add", *job, "--label", "[red]x[/]").out == "1\n"
    [row] = cli("list", "--json").data
    assert (row["id"], row["status"], row["task_type"]) == (1, "queued", "reference_to_video")
    assert (row["label"], row["output"]) == ("[red]x[/]", "")
    assert row["request"]["ref_imgs"] == [str(picture)] * 2
    assert row["request"]["resolution"] == "128P"
    assert "[red]x[/]" in cli("list").out


def test_generate_prints_only_the_path(cli: Cli, job: tuple[object, ...], tmp_path: Path) -> None:
    call = cli("generate", *job, "--result-dir", tmp_path / "out dir")
    assert call.code == 0
    path = Path(call.out.removesuffix("\n"))
    assert path.parent == tmp_path / "out dir" / "reference_to_video"
    assert path.is_file()
    assert "denoise 8/8" in call.err
    assert cli("list", "--json").data[0]["status"] == "done"


def test_generate_runs_its_own_job_only(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    assert cli("generate", *job, "--json").data["id"] == 2
    assert [row["status"] for row in cli("list", "--json").data] == ["queued", "done"]


def test_progress_as_json_lines(cli: Cli, job: tuple[object, ...]) -> None:
    import json

    call = cli("generate", *job, "--progress", "json")
    events = [json.loads(line) for line in call.errors]
    steps = [e["step"] for e in events if e["event"] == "progress" and e["stage"] == "denoise"]
    assert steps == list(range(9))
    assert [e["status"] for e in events if e["event"] == "job"][-1] == "done"


def test_a_failed_job_is_exit_1_in_words(cli: Cli, job: tuple[object, ...]) -> None:
    script = Script(failures={(Stage.DENOISE, 3): MediaError("the encoder died \x1b[31m")})
    call = cli("generate", *job, script=script)
    assert (call.code, call.out) == (1, "")
    assert "job 1 failed: the encoder died" in call.err
    assert "\x1b" not in call.err
    assert cli("retry", 1).out == "2 queued: retries 1\n"


def test_a_suspect_video_is_said_on_stderr(cli: Cli, job: tuple[object, ...]) -> None:
    call = cli("generate", *job, script=Script(suspect="every frame is black"))
    assert call.code == 0
    assert call.out.count("\n") == 1
    assert "every frame is black" in call.err


def test_run_empties_the_queue(cli: Cli, job: tuple[object, ...]) -> None:
    for _ in range(3):
        cli("add", *job)
    cli("hold", 2)
    call = cli("run")
    assert call.code == 0
    assert len(call.out.splitlines()) == 2
    assert [row["status"] for row in cli("list", "--json").data] == ["held", "done", "done"]


def test_run_without_jobs_is_quiet(cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("run", "--json").data == []


def test_changes(cli: Cli, job: tuple[object, ...]) -> None:
    for _ in range(4):
        cli("add", *job)
    assert cli("hold", 2, 3).out == "2 held\n3 held\n"
    assert cli("release", 2).out == "2 queued\n"
    assert cli("cancel", 1).out == "1 cancelled\n"
    assert cli("move", 4, "first").out == "4 2 3\n"
    assert cli("move", 4, "down").out == "2 4 3\n"
    assert cli("move", 2, "last").out == "4 3 2\n"
    assert cli("move", 2, "2").out == "4 2 3\n"
    assert cli("delete", 3).code == 0
    assert [row["id"] for row in cli("list", "--json").data] == [4, 2, 1]
    assert cli("undelete", 3).code == 0
    assert cli("duplicate", 2, "--seeds", "7,8").out == "5\n6\n"
    assert [cli("show", number, "--json").data["request"]["seed"] for number in (5, 6)] == [7, 8]


def test_what_a_state_forbids_is_exit_5_and_a_missing_job_3(cli: Cli, job: tuple[object, ...]) -> None:
    cli("generate", *job)
    done = cli("cancel", 1)
    assert (done.code, done.out) == (5, "")
    said = "skyreels-tui: job 1 is done: it cannot be cancelled (only a retry, as a new row, runs it again)"
    assert done.errors == [said]
    for command in ("show", "cancel", "hold", "wait", "retry", "edit"):
        words = ("--prompt", "x") if command == "edit" else ()
        missing = cli(command, 99, *words)
        assert (missing.code, missing.out) == (3, ""), command
        assert missing.errors == ["skyreels-tui: there is no job 99"]


def test_edit_changes_fields_and_refuses_like_add(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    assert cli("edit", 1, "--prompt", "new", "--duration", "3", "--offload").code == 0
    request = cli("show", 1, "--json").data["request"]
    assert (request["prompt"], request["duration"], request["offload"]) == ("new", 3, True)
    refused = cli("edit", 1, "--duration", "61")
    assert (refused.code, refused.out) == (2, "")
    assert cli("edit", 1).code == 2
    assert cli("edit", 1, "--no-offload", "--label", "L").code == 0
    assert cli("show", 1, "--json").data["label"] == "L"


def test_generate_follows_the_owner_and_keeps_its_own_results_folder(
    cli: Cli, job: tuple[object, ...], other_process: FakeExecutor, tmp_path: Path
) -> None:
    threading.Timer(0.3, other_process.open_gate).start()
    call = cli("generate", *job)
    assert call.code == 0
    assert "another process runs the queue" in call.err
    assert Path(call.out.strip()).parent.parent == tmp_path / "home" / "result"
    assert other_process.began == [1]


def test_run_beside_an_owner_is_busy(cli: Cli, other_process: FakeExecutor) -> None:
    call = cli("run")
    assert (call.code, call.out) == (5, "")
    assert "skyreels-tui wait" in call.err


def test_wait_gives_up_in_time(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    call = cli("wait", 1, "--timeout", "0.2")
    assert (call.code, call.out) == (5, "")
    assert "not ended after 0.2 s: job 1" in call.err


def test_wait_prints_the_paths_in_order(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    cli("add", *job)
    cli("run")
    first, second = (cli("show", number, "--json").data["output"] for number in (1, 2))
    assert cli("wait", 2, 1).out == f"{second}\n{first}\n"


def test_cancelled_and_held_jobs_end_waiting(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    cli("add", *job)
    cli("cancel", 1)
    cli("hold", 2)
    assert cli("wait", 1).code == 4
    assert cli("wait", 2).code == 5


def test_first_puts_the_job_before_the_others(cli: Cli, job: tuple[object, ...]) -> None:
    cli("add", *job)
    cli("add", *job, "--first")
    assert [row["id"] for row in cli("list", "--json").data] == [2, 1]


def test_a_full_model_that_is_not_there_says_how_to_get_it(cli: Cli, picture: Path) -> None:
    from pipelines.checkpoints.locate import locate
    from pipelines.front.errors import CheckpointMissing

    with pytest.raises(CheckpointMissing, match=r"skyreels-tui models download r2v --task reference_to_video"):
        locate("r2v", "", "full", Path("cache"), "reference_to_video")


def test_pause_and_unpause_as_json(cli: Cli) -> None:
    assert cli("pause", "--json").data == {"pause": "after_job"}
    assert cli("pause", "--now", "--json").data == {"pause": "now"}
    assert cli("unpause", "--json").data == {"pause": ""}


def test_every_command_but_those_that_draw_has_json() -> None:
    without = {
        command.name for command in COMMANDS if "--json" not in {option for option, _ in option_strings(command.name)}
    }
    assert without == {"panel", "serve", "completion", "export"}

"""A join as a job of the queue: asked for in the shell, waiting, run, cancelled, begun again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.media.read.probe import probe_video
from tests.cli.conftest import Call
from tests.films.conftest import SAMPLES
from tests.films.test_import import scene, written

Cli = Callable[..., Call]


@pytest.fixture
def film(cli: Cli, project: Path) -> Path:
    """The film 'ep01' of the project 'show' with two finished scenes; returns its first clip."""
    entries: list[dict[str, Any]] = []
    for name in ("a", "b"):
        shutil.copy(SAMPLES / "clip.mp4", project / "result" / f"{name}.mp4")
        entries.append(scene(label=name, status="done", output_video=f"result/{name}.mp4", audio_text=f"Words {name}"))
    entries[0]["input_audio"] = "audio/one.mp3"
    content = {"name": "ep01", "project": "show", "jobs": entries}
    assert cli("film", "import", written(project, content)).code == 0
    return project / "result" / "a.mp4"


def test_a_film_is_joined_by_the_queue(cli: Cli, film: Path, tmp_path: Path) -> None:
    call = cli("film", "join", "ep01")
    assert call.out == "3\n" and "scene 1 (a): its last frame is held" in call.err
    [job] = [row for row in cli("list", "--json").data if row["id"] == 3]
    assert (job["task_type"], job["label"], job["status"], job["batch"]) == ("films", "ep01", "queued", "")
    assert cli("film", "status", "ep01").out == "ep01  2/2 done\n", "the join is no scene"
    assert cli("run").code == 0
    done = cli("show", 3, "--json").data
    assert done["status"] == "done", done["error"]
    output = Path(done["output"])
    assert output.parent.parts[-2:] == ("show", "films") and output.with_suffix(".srt").is_file()
    sidecar = json.loads(output.with_suffix(".json").read_text())
    assert [one["label"] for one in sidecar["scenes"]] == ["a", "b"]
    assert probe_video(output).num_frames == sum(one["num_frames"] for one in sidecar["scenes"])
    assert probe_video(output).has_audio


def test_a_join_waits_for_what_is_being_made(cli: Cli, film: Path, picture: Path) -> None:
    words = ("--profile", "demo", "--task", "reference_to_video", "--ref_imgs", picture, "--prompt", "x")
    cli("film", "add", "ep01", *words, "--label", "c")
    call = cli("film", "join", "ep01")
    assert call.code == 2 and "scene 3 (c): has no finished clip" in call.err
    assert cli("film", "run", "ep01").out == "3\n"
    assert cli("film", "join", "ep01").out == "4\n"
    assert cli("show", 4, "--json").data["reason_code"] == "waits_for_job"
    shown = cli("show", 4)
    assert shown.code == 0 and "\nreason: waits for job 3\n" in shown.out
    assert cli("film", "join", "ep01", "--without-missing").out == "5\n"


def test_a_dry_run_says_and_queues_nothing(cli: Cli, film: Path) -> None:
    data = cli("film", "join", "ep01", "--dry-run", "--json").data
    assert data["job"] is None and len(data["remarks"]) == 1
    assert len(cli("list", "--json").data) == 2
    call = cli("film", "join", "ep01", "--overlong", "refuse")
    assert (call.code, call.out) == (2, "") and "longer than its clip" in call.err


@pytest.mark.parametrize(
    "words", [("--cross-fade", "99"), ("--cross-fade", "-1"), ("--music-percent", "101"), ("--cross-fade", "40")]
)
def test_what_makes_no_sense_is_refused(cli: Cli, film: Path, words: tuple[str, ...]) -> None:
    call = cli("film", "join", "ep01", *words)
    assert call.code == 2 and call.err and len(cli("list", "--json").data) == 2


def test_a_clip_that_has_gone_fails_the_join_by_name(cli: Cli, film: Path) -> None:
    cli("film", "join", "ep01")
    film.unlink()
    assert cli("run").code == 1
    assert "a.mp4" in cli("show", 3, "--json").data["error"]
    assert cli("film", "join", "ep01").code == 2


def test_a_join_is_cancelled_and_tried_again(cli: Cli, film: Path) -> None:
    cli("film", "join", "ep01")
    cli("cancel", 3)
    assert cli("retry", 3, "--json").data[0]["id"] == 4
    assert cli("run").code == 0 and cli("show", 4, "--json").data["status"] == "done"


def test_finalize_takes_the_chosen_takes_in_the_order_of_the_film(cli: Cli, film: Path) -> None:
    cli("film", "move", "ep01", "b", 1)
    data = cli("finalize", "ep01", "--json").data
    assert probe_video(data["output"]).num_frames == 2 * probe_video(film).num_frames

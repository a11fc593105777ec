"""`import`, `export` and `finalize` from the shell."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.demo import checkpoints
from pipelines.media.read.probe import probe_video
from tests.cli.conftest import Call

Cli = Callable[..., Call]
SAMPLES = Path(checkpoints.__file__).parent / "samples"


@pytest.fixture
def batch_file(tmp_path: Path, picture: Path) -> Path:
    """Two good jobs, in JSON."""
    entry = {"task_type": "reference_to_video", "profile": "demo", "resolution": "128P", "ref_imgs": [str(picture)]}
    jobs = [{**entry, "label": "one", "prompt": "a [cut]"}, {**entry, "label": "two", "prompt": "b", "seed": 7}]
    path = tmp_path / "night.json"
    path.write_text(json.dumps(jobs))
    return path


def test_import_prints_ids_and_names_the_batch(cli: Cli, batch_file: Path) -> None:
    assert cli("import", batch_file).out == "1\n2\n"
    rows = cli("list", "--json").data
    assert [(row["label"], row["batch"]) for row in rows] == [("one", "night"), ("two", "night")]


def test_nothing_is_half_imported(cli: Cli, batch_file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps([{"task_type": "reference_to_video", "label": "x", "prompt": "", "duration": 99}]))
    call = cli("import", batch_file, bad)
    assert (call.code, call.out) == (2, "")
    assert "skyreels-tui: entry 1 (x).prompt: Prompt is empty" in call.err
    assert "entry 1 (x).duration: 99 s is outside 1 to 60" in call.err
    assert cli("list", "--json").data == []


def test_a_missing_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    call = cli("import", tmp_path / "none.json")
    assert (call.code, call.out) == (2, "")


@pytest.mark.parametrize("name", ["again.json", "again.md"])
def test_what_is_exported_can_be_imported(cli: Cli, batch_file: Path, tmp_path: Path, name: str) -> None:
    cli("import", batch_file)
    before = [row["request"] for row in cli("list", "--json").data]
    assert cli("export", "--batch", "night", "--file", tmp_path / name).code == 0
    cli("cancel", 1, 2)
    assert cli("import", tmp_path / name).code == 0
    after = [row for row in cli("list", "--json").data if row["status"] == "queued"]
    assert [row["request"] for row in after] == before
    assert [row["label"] for row in after] == ["one", "two"]


def test_export_to_stdout_takes_ids(cli: Cli, batch_file: Path) -> None:
    cli("import", batch_file)
    assert [entry["label"] for entry in cli("export", 2).data] == ["two"]
    assert cli("export", "--batch", "day").code == 3
    assert cli("export", 9).code == 3


def test_finalize_wants_a_finished_batch(cli: Cli, batch_file: Path) -> None:
    assert cli("finalize", "night").code == 3
    cli("import", batch_file)
    call = cli("finalize", "night")
    assert (call.code, call.out) == (5, "")
    assert "not finished yet" in call.err


def test_run_takes_what_lies_in_the_inbox(cli: Cli, batch_file: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    assert cli("settings", "set", "inbox", box).code == 0
    box.mkdir()
    os.utime(batch_file, (1, 1))
    batch_file.rename(box / "night.json")
    (box / "bad.json").write_text("[1]")
    os.utime(box / "bad.json", (1, 1))
    call = cli("run")
    assert call.code == 0
    assert len(call.out.splitlines()) == 2
    assert "bad.json was not queued: 1 problem, see bad.json.txt in rejected" in call.err
    assert {path.name for path in (box / "done").iterdir()} == {"night.json", "night.json.txt"}
    assert (box / "rejected" / "bad.json.txt").read_text().endswith("entry 1: must be an object {...}\n")


def test_finalize_prints_the_path_of_the_joined_film(cli: Cli, batch_file: Path, tmp_path: Path) -> None:
    cli("import", batch_file)
    clips = cli("run", "--result-dir", tmp_path / "out").out.splitlines()
    for clip in clips:
        shutil.copy(SAMPLES / "clip.mp4", clip)
    call = cli("finalize", "night", "--json", "--result-dir", tmp_path / "out")
    assert call.code == 0, call.err
    assert call.data["batch"] == "night"
    joined = probe_video(call.data["output"])
    assert joined.num_frames == 2 * probe_video(SAMPLES / "clip.mp4").num_frames
    assert cli("finalize", "night", "--result-dir", tmp_path / "again").out.count("\n") == 1

"""Where a video goes is decided when its job is added, and the default is one place, wherever one starts."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from skyreels_tui.files.folders import APP, CHECKOUT, find_folders, is_checkout, videos_folder
from tests.cli.conftest import Call

Cli = Callable[..., Call]
ADD = ("add", "--profile", "demo", "--task", "reference_to_video", "--prompt", "x", "--ref_imgs")


def outputs(cli: Cli) -> list[Path]:
    return [Path(job["output"]) for job in sorted(cli("list", "--json").data, key=lambda job: job["id"])]


def test_a_job_keeps_its_folder_whoever_runs_it(
    cli: Cli,
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted, here, elsewhere = tmp_path / "X", tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    assert cli(*ADD, picture, "--result-dir", wanted).code == 0
    assert cli(*ADD, picture, "--result-dir", "beside").code == 0
    assert cli(*ADD, picture).code == 0
    monkeypatch.chdir(elsewhere)
    assert cli("run", "--result-dir", tmp_path / "other").code == 0
    folders = [path.parent.parent for path in outputs(cli)]
    assert folders == [wanted, here / "beside", tmp_path / "home" / "result"]
    assert all(path.is_file() for path in outputs(cli))
    assert list(elsewhere.iterdir()) == [] and not (tmp_path / "other").exists()
    assert cli("show", "1", "--json").data["result_dir"] == str(wanted)


def test_results_lists_the_films_of_every_folder_that_a_job_names(cli: Cli, picture: Path, tmp_path: Path) -> None:
    for folder in ("X", f"deep/{'y' * 250}", "own", "X/inside"):
        assert cli(*ADD, picture, "--result-dir", tmp_path / folder).code == 0
    assert cli("run").code == 0
    made = {job["output"] for job in cli("list", "--json").data}
    assert len(made) == 4
    call = cli("results", "--json", "--result-dir", tmp_path / "own")
    assert sorted(one["output"] for one in call.data) == sorted(made)
    table = cli("results", "--result-dir", tmp_path / "own").out
    assert all(one in table for one in made), table
    assert all(one in cli("list").out for one in made)
    assert cli("results", "--json", "--task", "talking_avatar").data == []


@pytest.mark.parametrize("damage", ["garbage", "empty", "foreign", "folder"])
def test_results_of_a_queue_that_cannot_be_read(cli: Cli, picture: Path, tmp_path: Path, damage: str) -> None:
    assert cli("generate", "--profile", "demo", "--prompt", "x", "--ref_imgs", picture).code == 0
    database = tmp_path / "home" / "state" / "queue.db"
    for file in database.parent.glob("queue.db*"):
        file.unlink()
    if damage == "folder":
        database.mkdir()
    elif damage == "foreign":
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.executescript("PRAGMA application_id = 7; CREATE TABLE t (a)")
    else:
        database.write_bytes(b"garbage" * 5000 if damage == "garbage" else b"")
    call = cli("results", "--json")
    assert call.code == 0 and len(call.data) == 1
    assert "is listed: " in call.err and "Traceback" not in call.err


@pytest.mark.parametrize("below", ["", "videos", "a/b"])
def test_a_folder_that_cannot_be_one_is_refused_before_anything_is_queued(
    cli: Cli, picture: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").touch()
    call = cli(*ADD, picture, "--result-dir", tmp_path / "file" / below)
    assert (call.code, call.out) == (2, "")
    assert f"{tmp_path}/file is a file, not a folder" in call.err
    assert cli("list", "--json").data == []


@pytest.mark.parametrize("words", [("retry", 1), ("duplicate", 1), ("duplicate", 1, "--seeds", "7,8")])
def test_copies_go_where_the_first_one_went(cli: Cli, picture: Path, tmp_path: Path, words: tuple[object, ...]) -> None:
    cli(*ADD, picture, "--result-dir", tmp_path / "X")
    assert cli("run").code == 0
    call = cli(*words)
    assert call.code == 0, call.err
    assert cli("run").code == 0
    assert {path.parent.parent for path in outputs(cli)} == {tmp_path / "X"}
    assert len(outputs(cli)) > 1


def test_a_batch_goes_where_it_was_imported_for(cli: Cli, picture: Path, tmp_path: Path) -> None:
    batch = tmp_path / "film.json"
    batch.write_text(
        '[{"task_type": "reference_to_video", "profile": "demo", "resolution": "128P", "prompt": "x",'
        f' "ref_imgs": ["{picture}"]}}]'
    )
    assert cli("import", batch, "--result-dir", tmp_path / "X").code == 0
    assert cli("run").code == 0
    assert [path.parent.parent for path in outputs(cli)] == [tmp_path / "X"]


def test_a_row_of_an_older_queue_goes_where_those_of_its_runner_go(
    cli: Cli,
    home: Path,
    picture: Path,
    tmp_path: Path,
) -> None:
    cli(*ADD, picture, "--result-dir", tmp_path / "X")
    with sqlite3.connect(home / "state" / "queue.db") as queue:
        queue.execute("ALTER TABLE jobs DROP COLUMN result_dir")
        queue.execute("PRAGMA user_version = 2")
    assert cli("run", "--result-dir", tmp_path / "Y").code == 0
    assert [path.parent.parent for path in outputs(cli)] == [tmp_path / "Y"]


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ('XDG_VIDEOS_DIR="$HOME/Vídeos"\n', "/h/Vídeos"),
        ('# a comment\nXDG_MUSIC_DIR="$HOME/M"\n  XDG_VIDEOS_DIR="/data/my films"\n', "/data/my films"),
        ('XDG_VIDEOS_DIR="$HOME/"\n', "/h"),
        ('XDG_VIDEOS_DIR="$HOME/a \\"b\\" \\$c"\n', '/h/a "b" $c'),
        ('XDG_VIDEOS_DIR="relative"\n', "/h/Videos"),
        ("XDG_VIDEOS_DIR=\n\x00\xff", "/h/Videos"),
        ("", "/h/Videos"),
        (None, "/h/Videos"),
    ],
)
def test_the_desktop_s_folder_of_videos(tmp_path: Path, text: str | None, folder: str) -> None:
    if text is not None:
        (tmp_path / "user-dirs.dirs").write_text(text, "utf-8")
    assert videos_folder(tmp_path, Path("/h")) == Path(folder)


def test_one_place_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_folders({"SKYREELS_TUI_HOME": str(tmp_path)}).results == tmp_path / "result"
    assert is_checkout(CHECKOUT)
    assert find_folders({"HOME": "/h"}).results == CHECKOUT / "result"
    monkeypatch.setattr("skyreels_tui.files.folders.CHECKOUT", tmp_path)
    assert find_folders({"HOME": "/h"}).results == Path("/h/Videos") / APP
    (tmp_path / "user-dirs.dirs").write_text('XDG_VIDEOS_DIR="/films"\n')
    assert find_folders({"HOME": "/h", "XDG_CONFIG_HOME": str(tmp_path)}).results == Path("/films") / APP

"""Odd things where the program's folders belong: named with what to do, or moved out of the way and kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skyreels_tui.cli import main
from skyreels_tui.files.folders import FolderUnusable, find_folders


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def a_link_to_a_file(path: Path) -> None:
    (path.parent / "target").write_text("mine")
    path.symlink_to("target")


ODD = [a_file, a_pipe, a_link_to_nowhere, a_link_to_a_file]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("name", ["", "config", "state", "cache", "logs"])
def test_what_lies_in_the_way_is_named(tmp_path, monkeypatch, capfd, odd, name):
    home = tmp_path / "home"
    if name:
        home.mkdir()
    place = home / name if name else home
    odd(place)
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(home))
    assert main(["list"]) == 1
    err = capfd.readouterr().err
    assert str(place) in err and "SKYREELS_TUI_HOME" in err and "Traceback" not in err
    assert place.is_symlink() or place.exists(), "what lies there was touched"


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("name", ["jobs", "live"])
def test_what_lies_in_the_place_of_an_inner_folder_is_kept_beside_it(tmp_path, odd, name):
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})
    folders.state.mkdir(parents=True)
    for _ in range(2):
        odd(folders.state / name)
        (folders.state / "target").unlink(missing_ok=True)
        folders.create()
        assert (folders.state / name).is_dir()
        (folders.state / name).rmdir()
    assert {one.name for one in folders.state.iterdir()} >= {f"{name}.odd-1", f"{name}.odd-2"}


def test_folders_that_are_links_to_folders_stay(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})
    folders.state.parent.mkdir()
    folders.state.mkdir()
    folders.jobs.symlink_to(other)
    folders.create()
    assert folders.jobs.is_symlink()


def test_a_folder_that_may_not_be_made_is_named(tmp_path):
    with pytest.raises(FolderUnusable, match="proc"):
        find_folders({"SKYREELS_TUI_HOME": "/proc/nothing"}).create()

"""What is written for a person gets a free name: nothing that is there, or comes meanwhile, is replaced or followed."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from pipelines.front import durable
from pipelines.front.durable import put_new, write_new
from pipelines.media.write.join import join_clips
from skyreels_tui.commands.system.doctor import _write
from skyreels_tui.results import gallery
from tests.ui.conftest import SAMPLES

CLIP = SAMPLES / "clip.mp4"


def a_link(path: Path) -> None:
    path.with_name("precious").write_text("mine")
    path.symlink_to("precious")


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def a_text(path: Path) -> None:
    path.write_text("mine")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


THERE = [a_link, a_link_to_nowhere, a_text, a_folder, a_pipe]


@pytest.fixture(params=["links", "no links"])
def file_system(request, monkeypatch):
    """One that knows second names, and one that does not, such as a memory card's."""
    if request.param == "no links":

        def refuse(*_args, **_options):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(durable.os, "link", refuse)


def kept(path: Path) -> tuple[int, int, int]:
    facts = path.lstat()
    return facts.st_ino, facts.st_size, facts.st_mode


@pytest.mark.usefixtures("file_system")
@pytest.mark.parametrize("put", THERE, ids=lambda put: put.__name__)
@pytest.mark.parametrize("what", ["write", "join", "bundle"])
def test_what_is_there_stays_and_the_file_gets_a_number(tmp_path, put, what):
    wanted = tmp_path / "film.mp4"
    put(wanted)
    before = kept(wanted)
    match what:
        case "write":
            made = write_new(wanted, b"whole")
            assert made.read_bytes() == b"whole"
        case "join":
            made = join_clips([CLIP, CLIP], wanted)
        case "bundle":
            made = _write(wanted, "whole", new=True)
    assert made == tmp_path / "film-2.mp4" and made.is_file() and not made.is_symlink()
    assert kept(wanted) == before
    assert {one.name for one in tmp_path.iterdir()} <= {"film.mp4", "film-2.mp4", "precious"}
    assert not (tmp_path / "precious").exists() or (tmp_path / "precious").read_text() == "mine"


@pytest.mark.usefixtures("file_system")
def test_many_at_once_lose_nothing(tmp_path):
    start, made = threading.Barrier(8), []

    def write(number: int) -> None:
        start.wait()
        for _ in range(5):
            made.append((write_new(tmp_path / "a.txt", str(number).encode()), str(number)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path for path, _ in made}) == 40
    assert all(path.read_text() == text for path, text in made)
    assert len(list(tmp_path.iterdir())) == 40


@pytest.mark.parametrize("put", THERE, ids=lambda put: put.__name__)
def test_what_lies_under_another_ending_is_not_written_over(tmp_path, put):
    put(tmp_path / "film.json")
    temporary = tmp_path / "ready"
    temporary.write_bytes(b"x")
    assert put_new(temporary, tmp_path / "film.mp4", free_too=(".json",)) == tmp_path / "film-2.mp4"
    assert not temporary.exists()


@pytest.mark.parametrize("ending", [".mp4", ".json"])
@pytest.mark.parametrize("put", THERE, ids=lambda put: put.__name__)
def test_a_new_name_that_was_taken_meanwhile_is_refused(tmp_path, put, ending):
    film = tmp_path / "film.mp4"
    film.write_bytes(CLIP.read_bytes())
    gallery.write_recipe(film.with_suffix(".json"), {"recipe": 1, "label": "mine"})
    video = gallery.videos(tmp_path)[0]
    taken = tmp_path / f"other{ending}"
    put(taken)
    before = kept(taken)
    with pytest.raises(FileExistsError):
        gallery.rename(video, "other")
    assert kept(taken) == before and film.exists() and film.with_suffix(".json").exists()


def test_a_name_that_cannot_be_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError):
        write_new(tmp_path / ("n" * 300), b"x")
    assert list(tmp_path.iterdir()) == []

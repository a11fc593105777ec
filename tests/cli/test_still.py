"""`still`: the exact frame that was asked for, as a picture or held so that an extension can begin with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.media.read.frames import frame_times
from pipelines.media.read.probe import probe_video
from pipelines.media.read.stills import frame_picture
from pipelines.media.read.video import read_tail
from tests.media.films import counted, film, moving


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 60])
@pytest.mark.parametrize("number", [1, 2, 17, 40, -1, -2, -40])
def test_every_number_is_its_own_frame(tmp_path: Path, number: int, fps: float) -> None:
    path = film(tmp_path / "a.mkv", counted(40), fps)
    picture, place = frame_picture(path, number)
    assert place == (number if number > 0 else 41 + number)
    assert np.unique(np.asarray(picture)).tolist() == [4 * (place - 1)]


@pytest.mark.parametrize("number", [0, 41, -41, 10**9])
def test_a_frame_that_is_not_there_is_refused(tmp_path: Path, number: int, cli) -> None:
    path = film(tmp_path / "a.mkv", counted(40))
    call = cli("still", path, "--frame", number)
    assert call.code != 0
    assert f"no frame {number}: it has 40" in call.err
    assert sorted(tmp_path.glob("*.png")) == []


def test_the_shell_prints_the_picture_and_keeps_what_is_there(tmp_path: Path, cli) -> None:
    path = film(tmp_path / "a clip.mkv", moving(30))
    first = cli("still", path, "--frame", "12")
    picture = Path(first.out.strip())
    assert picture == tmp_path / "a clip-frame-12.png"
    assert np.array_equal(np.asarray(Image.open(picture)), moving(30)[11])
    assert cli("still", path, "--frame", "12").out == first.out, "the same picture serves again"
    picture.write_bytes(b"mine")
    other = Path(cli("still", path, "--frame", "12").out.strip())
    assert other == tmp_path / "a clip-frame-12-2.png"
    assert picture.read_bytes() == b"mine"
    assert Path(cli("still", path).out.strip()).name == "a clip-frame-30.png"


def test_a_held_frame_is_a_video_that_single_shot_takes(tmp_path: Path, cli, home: Path) -> None:
    path = film(tmp_path / "a.mkv", moving(30, 65, 97))
    made = cli("still", path, "--frame", "5", "--hold")
    clip = Path(made.out.strip())
    assert "experimental" in made.err
    assert clip.parent == home / "state" / "downloads"
    assert len(frame_times(clip)) == 25
    assert (probe_video(clip).width, probe_video(clip).height, round(probe_video(clip).fps)) == (96, 64, 24)
    frames = read_tail(clip, 25).astype(int)
    assert abs(frames - moving(30, 65, 97)[4, :64, :96]).mean() < 4
    assert cli("still", path, "--frame", "5", "--hold").out == made.out
    words = ("--task", "single_shot_extension", "--profile", "demo", "--prompt", "x", "--input_video", clip)
    assert cli("add", *words).code == 0


def test_what_is_no_video_is_refused_in_words(tmp_path: Path, cli) -> None:
    note = tmp_path / "note.mp4"
    note.write_text("no film\n" * 99)
    for file in (note, tmp_path / "gone.mp4"):
        call = cli("still", file)
        assert call.code != 0
        assert file.name in call.err
        assert "Traceback" not in call.err

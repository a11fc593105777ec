"""Files whose names are not UTF-8, or mean something to ffmpeg, are read, joined and written like any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.media.read.thumbnail import frames_at
from pipelines.media.read.video import last_frame
from pipelines.media.write.join import join_clips
from tests.media.films import ffmpeg, h264, moving

NAMES = {
    "not utf-8": b"a\xff\xfeb.mp4",
    "steering": b"a\x1b[31m\x07\xe2\x80\xae.mp4",
    "a protocol": b"concat:a|b.mp4",
    "an option": b"-i.mp4",
    "quotes": b'it\'s "50 %d" \\ [x] #1.mp4',
    "line break": b"a\nb.mp4",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_video_of_any_name_is_read_and_joined(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    silent = h264(tmp_path / "plain.mp4", moving(12))
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    ffmpeg("-i", silent, "-f", "lavfi", "-i", "sine=duration=0.5", "-c:v", "copy", "-c:a", "aac", "sound.mp4")
    Path("sound.mp4").rename(path)
    for given in (path, Path(path.name)):
        assert probe_video(given).num_frames == 12
        assert probe_audio(given).channels == 1
        assert len(frames_at(given, [0.2], 8, 8)[0]) == 8 * 8 * 3
        assert last_frame(given).size == (96, 64)
    joined = join_clips([path, silent], Path(os.fsdecode(os.fsencode(tmp_path) + b"/out/both " + name)))
    assert probe_video(joined).num_frames == 24


def test_joining_says_how_far_it_is_and_stops_when_told(tmp_path):
    class Stop(Exception):
        pass

    small, large = h264(tmp_path / "small.mp4", moving(6)), h264(tmp_path / "large.mp4", moving(6, 128, 128))
    told: list[int] = []
    join_clips([small, large], tmp_path / "both.mp4", tell=told.append)
    assert told[0] == 0 and told[-1] == 2 and sorted(told) == told

    def stop(_: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        join_clips([small, large], tmp_path / "none" / "none.mp4", tell=stop)
    assert not list((tmp_path / "none").iterdir())

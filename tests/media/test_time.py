"""Time as a player has it: a picture stays until the next, what an edit list hides is not there, no gap moves."""

import struct

import numpy as np
import pytest

from pipelines.front.errors import MediaError
from pipelines.media.read.check import video_problem
from pipelines.media.read.probe import probe_video
from pipelines.media.read.video import read_tail
from pipelines.media.write.publish import write_opening
from tests.media.films import KEEP, counted, ffmpeg, film, h264, turn

UNEVEN = [n / 10 if n < 12 else 1.2 + (n - 12) / 30 for n in range(30)]
"""Times of a variable rate: 10 pictures a second, then 30."""
STAMPS = ("-vf", "setpts='round(if(lt(N,12),N/10,1.2+(N-12)/30)/TB)'", *KEEP)
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 8)


def numbers(frames: np.ndarray, step: int = 8) -> list[int]:
    """Which pictures of `counted` these are."""
    return [round(float(frame.mean()) / step) for frame in frames]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", (*X264, "-bf", 0)),
        ("b_frames.mp4", (*X264, "-bf", 3)),
        ("camera.mov", (*X264, "-video_track_timescale", 600)),
        ("milliseconds.mkv", X264),
        ("browser.webm", ("-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime")),
        ("disc.ts", (*X264, "-bf", 2)),
        ("flash.flv", X264),
    ],
)
def test_a_picture_stays_until_the_next_one_comes(tmp_path, name, options):
    path = film(tmp_path / name, counted(30, step=8), 30, *STAMPS, *options)
    assert video_problem(path, 40) == ""
    moments = [UNEVEN[-1] - back / 24 for back in range(39, -1, -1)]
    expected = [max(n for n, time in enumerate(UNEVEN) if time <= moment + 0.002) for moment in moments]
    assert numbers(read_tail(path, 40)) == expected
    count, starts_s = write_opening(path, tmp_path / "opening.mp4", 48, 32, 24)
    opening = read_tail(tmp_path / "opening.mp4", count)
    assert numbers(opening[-40:]) == expected, "the input stands before the new part as the model saw it"
    assert abs(starts_s + (count - 1) / 24 - probe_video(path).start_s - UNEVEN[-1]) < 0.004


@pytest.mark.parametrize(("count", "fps", "at_24"), [(1, 1 / 3, 72), (2, 0.5, 96), (5, 2, 60), (1, 24, 1)])
def test_the_last_picture_stays_until_the_end(tmp_path, count, fps, at_24):
    path = film(tmp_path / "slides.mp4", counted(count, step=40), fps, *X264)
    shown = numbers(read_tail(path, at_24), 40)
    assert shown == [n for n in range(count) for _ in range(at_24 // count)]
    assert str(at_24) in video_problem(path, at_24 + 1) and video_problem(path, at_24) == ""


def cut_end(whole, target, seconds):
    """Write into the edit list that a film ends earlier."""
    data = bytearray(whole.read_bytes())
    scale = struct.unpack(">I", data[(at := data.index(b"mvhd")) + 16 : at + 20])[0]
    at = data.index(b"elst")
    data[at + 12 : at + 16] = struct.pack(">I", round(seconds * scale))
    target.write_bytes(data)


EDITS = {
    "front": (60, ("-ss", 1.75), None, range(42, 60)),
    "front, B-frames": (60, ("-ss", 1.75, "-bf", 3), None, range(42, 60)),
    "end": (60, (), 0.75, range(18)),
    "both": (60, ("-ss", 1.0), 0.75, range(24, 42)),
    "late": (18, ("-itsoffset", 2), None, range(18)),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_an_edit_list_hides_is_not_counted(tmp_path, name):
    count, (*options,), seconds, visible = EDITS[name]
    b_frames = options.pop() if "-bf" in options else 0
    options = [option for option in options if option != "-bf"]
    whole = h264(tmp_path / "whole.mp4", counted(count, step=4), 24, "-g", 240, "-sc_threshold", 0, "-bf", b_frames)
    path = tmp_path / "cut.mp4"
    ffmpeg(*options, "-i", whole, "-c", "copy", path)
    if seconds:
        cut_end(path, path, seconds)
    info = probe_video(path)
    assert info.num_frames == len(visible)
    assert f"has {len(visible)} (" in video_problem(path, 25)
    assert f"has {len(visible)} (" in video_problem(path, 25, raw_frames=True)
    with pytest.raises(MediaError, match=f"has {len(visible)} frames"):
        read_tail(path, 25)
    for fps in (24.0, None):
        assert numbers(read_tail(path, len(visible), fps), 4) == pytest.approx(list(visible), abs=1)


ODD = {
    "time code.mov": (24, ("-timecode", "01:00:00:00"), 24),
    "late.mkv": (24, ("-output_ts_offset", 5), 24),
    "late.ts": (24, ("-output_ts_offset", 30), 24),
    "delay.mp4": (24, ("-bf", 3, "-movflags", "+negative_cts_offsets"), 24),
    "fragments.mp4": (24, ("-movflags", "frag_keyframe+empty_moov", "-g", 6), 24),
    "120.mp4": (120, (), 24),
    "1000.mkv": (250, (), 6),
    "23.976.mp4": (48, ("-r", "24000/1001"), 48),
    "25.mp4": (50, ("-r", "25"), 48),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_clocks_and_tracks_cost_no_frame(tmp_path, name):
    count, options, at_24 = ODD[name]
    fps = {"120.mp4": 120, "1000.mkv": 1000, "25.mp4": 25}.get(name, 24)
    path = h264(tmp_path / name, counted(count, step=1), fps, *options)
    info = probe_video(path)
    assert info.num_frames == count
    assert video_problem(path, at_24) == "" and f"has {at_24} (" in video_problem(path, at_24 + 1)
    assert numbers(read_tail(path, count, fps=None), 1) == pytest.approx(list(range(count)), abs=1)
    assert numbers(read_tail(path, at_24), 1)[-1] == pytest.approx(count - 1, abs=1)


def test_a_turned_film_with_an_edit_list_is_both(tmp_path):
    whole = h264(tmp_path / "whole.mp4", counted(60), 24, "-g", 240, "-bf", 0)
    ffmpeg("-ss", 2, "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    info = probe_video(turn(tmp_path / "cut.mp4", tmp_path / "turned.mp4", 90))
    assert (info.num_frames, info.width, info.height) == (12, 32, 48)

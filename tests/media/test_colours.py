"""What the model sees is what a screen shows: HDR and wide colours mapped, the right matrix, fields made whole."""

import numpy as np
import pytest

from pipelines.media import ffmpeg as ffmpeg_module
from pipelines.media.ffmpeg import Traits, traits
from pipelines.media.read import colours
from pipelines.media.read.check import video_problem
from pipelines.media.read.colours import colour_warning
from pipelines.media.read.probe import probe_video
from pipelines.media.read.thumbnail import frames_at
from pipelines.media.read.video import read_tail
from tests.media.films import LOSSLESS, film, h264, moving
from tests.media.looks import PATCHES, WIDE, as_dolby_vision, fields, patches, tagged


def seen(path) -> np.ndarray:
    """The colour of each bar in the last frame."""
    frame = read_tail(path, 1, fps=None)[-1].astype(int)
    width = frame.shape[1] // 4
    return np.array([frame[frame.shape[0] // 2, index * width + width // 2] for index in range(4)])


@pytest.mark.parametrize("name", WIDE)
def test_every_tagged_video_comes_out_in_the_colours_of_a_screen(tmp_path, name):
    white = 100 if "100" in name else 203
    path = tagged(tmp_path / "a.mov", *WIDE[name], white=white, full="full" in name)
    colours_seen = seen(path)
    assert np.abs(colours_seen[:3] - PATCHES[:3]).max() <= 5
    assert colours_seen[3].min() > 230
    assert colour_warning(path, probe_video(path).look) == ""
    small = np.frombuffer(frames_at(path, [0.0], 128, 64)[0], np.uint8).reshape(64, 128, 3)
    assert np.abs(small[32, 48].astype(int) - PATCHES[1]).max() <= 6, "the form's picture too"


@pytest.mark.parametrize("name", ["HLG", "PQ", "Display P3", "BT.709 in 10 bit"])
def test_an_ffmpeg_that_cannot_map_says_so(tmp_path, monkeypatch, name):
    path = tagged(tmp_path / "a.mov", *WIDE[name])
    real = traits()
    poor = Traits(real.path, real.libavutil, real.has_soxr, has_zscale=False)
    monkeypatch.setattr(colours, "traits", lambda: poor)
    warning = colour_warning(path, probe_video(path).look)
    if name == "BT.709 in 10 bit":
        assert warning == ""
    else:
        assert "has no zscale" in warning and ("HDR" in warning) == (name in ("HLG", "PQ"))
    assert seen(path).shape == (4, 3), "and it is read all the same"
    assert ffmpeg_module.traits() == real


MATRICES = [
    (64, 128, "bt709", "tv", ("-colorspace", "bt709")),
    (64, 128, "smpte170m", "tv", ("-colorspace", "smpte170m")),
    (64, 128, "bt709", "pc", ("-colorspace", "bt709", "-color_range", "pc")),
    (64, 128, "smpte170m", "tv", ()),
    (576, 720, "smpte170m", "tv", ()),
    (720, 1280, "bt709", "tv", ()),
    (1280, 720, "bt709", "tv", ()),
    (720, 960, "bt709", "tv", ()),
]


@pytest.mark.parametrize(("height", "width", "matrix", "range_", "tags"), MATRICES)
def test_the_matrix_is_the_tagged_one_else_that_of_its_size(tmp_path, height, width, matrix, range_, tags):
    to = f"scale=out_color_matrix={matrix}:out_range={range_},format=yuv420p"
    bare = ("-bsf:v", "h264_metadata=matrix_coefficients=2") if not tags else ()
    path = film(
        tmp_path / "a.mkv", patches(2, height, width), 24, "-vf", to, "-c:v", "libx264", "-crf", 8, "-preset",
        "ultrafast", *tags, *bare,
    )  # fmt: skip
    assert (probe_video(path).look.matrix == "unknown") == (not tags)
    assert np.abs(seen(path) - PATCHES).max() <= 4


def combs(path) -> int:
    """Pixels of a row that belong to another moment than the row above."""
    frame = read_tail(path, 9)[4].astype(int)[:, :, 0]
    return int((np.abs(frame[100] - frame[101]) > 100).sum())


INTERLACED = {
    "disc.mpg": ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", 2),
    "camera.mp4": ("-c:v", "libx264", "-flags", "+ilme+ildct", "-preset", "ultrafast", "-crf", 10),
    "broadcast.ts": ("-c:v", "libx264", "-flags", "+ilme+ildct", "-preset", "ultrafast", "-crf", 10),
    "edit.mov": ("-c:v", "prores", "-pix_fmt", "yuv422p10le"),
    "archive.mkv": ("-c:v", "ffv1"),
    "photos.mov": ("-c:v", "mjpeg", "-q:v", 2),
}


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("name", INTERLACED)
@pytest.mark.parametrize("mark", [True, False])
def test_a_frame_shows_one_moment(tmp_path, name, order, mark):
    path = fields(tmp_path / name, order, *INTERLACED[name], mark=mark)
    info = probe_video(path)
    assert info.num_frames == 30 and info.fps == pytest.approx(25, abs=0.01)
    assert combs(path) == 0
    assert video_problem(path, 28) == "" and video_problem(path, 30) != ""
    assert len(read_tail(path, 30, fps=None)) == 30


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize("name", ["camera.mp4", "camera.mkv"])
def test_pictures_that_are_stored_as_two_fields(tmp_path, name, order):
    coder = ("-c:v", "libx265", "-x265-params", f"interlace={order}:log-level=error")
    path = fields(tmp_path / name, order, *coder)
    info = probe_video(path)
    assert (info.num_frames, info.height) == (30, 576) and combs(path) == 0


WITHOUT_LAYER = {"5": 5, "10, in AV1": 10, "8": 8}


@pytest.mark.parametrize("profile", WITHOUT_LAYER)
def test_dolby_vision_without_an_ordinary_layer_is_said(tmp_path, profile):
    av1 = ("-c:v", "libsvtav1", "-preset", 12)
    coder = av1 if "AV1" in profile else ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    path = as_dolby_vision(film(tmp_path / "a.mp4", moving(36, 64, 128), 24, *coder), WITHOUT_LAYER[profile], 0)
    assert "Dolby Vision" in colour_warning(path, probe_video(path).look)
    assert video_problem(path, 25) == ""


@pytest.mark.parametrize(("profile", "layer"), [(8, 1), (8, 2), (8, 4), (9, 2), (4, 2), (7, 6), (10, 1)])
def test_dolby_vision_with_an_ordinary_layer_is_read_by_that(tmp_path, profile, layer):
    path = as_dolby_vision(h264(tmp_path / "a.mp4", moving(36, 64, 128), 24), profile, layer)
    assert colour_warning(path, probe_video(path).look) == ""


@pytest.mark.parametrize("height", [64, 576])
def test_progressive_video_is_untouched(tmp_path, height):
    frames = moving(12, height, 96)
    path = film(tmp_path / "a.mkv", frames, 25, *LOSSLESS)
    assert np.array_equal(read_tail(path, 12, fps=None), frames)
    still = h264(tmp_path / "b.mp4", np.repeat(moving(1, height, 96), 12, axis=0), 25)
    assert colours.whole_pictures(still, probe_video(still).look) == ""

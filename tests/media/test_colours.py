"""What the model sees is what a screen shows: HDR and wide colours mapped, the right matrix, fields made whole."""

import numpy as np
import pytest

from pipelines.media import ffmpeg as ffmpeg_module
from pipelines.media.ffmpeg import Traits, traits
from pipelines.media.read import colours
from pipelines.media.read.check import video_problem
from pipelines.media.read.colours import colour_warning
from pipelines.media.read.probe import probe_video
from pipelines.media.read.thumbnail import thumbnail
from pipelines.media.read.video import read_tail
from tests.media.films import LOSSLESS, ffmpeg, film, h264, moving

PATCHES = [(128, 128, 128), (192, 48, 32), (48, 160, 64), (255, 255, 255)]


def patches(count: int = 4, height: int = 64, width: int = 128) -> np.ndarray:
    """Frames of four upright bars: grey, red, green, white."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    for index, colour in enumerate(PATCHES):
        frames[:, :, index * width // 4 : (index + 1) * width // 4] = colour
    return frames


def seen(path) -> np.ndarray:
    """The colour of each bar in the last frame."""
    frame = read_tail(path, 1, fps=None)[-1].astype(int)
    width = frame.shape[1] // 4
    return np.array([frame[frame.shape[0] // 2, index * width + width // 2] for index in range(4)])


def tagged(path, matrix: str, primaries: str, transfer: str, *options: object, white: int = 203, full: bool = False):
    """Film the bars as a camera of these colours does."""
    to = f"zscale=p={primaries}:t={transfer}:m={matrix}:r={'full' if full else 'limited'}:npl={white}"
    light = f"setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc,zscale=t=linear:npl={white}"
    tags = ("-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer)
    to = f"format=gbrp,{light},format=gbrpf32le,{to},format=yuv420p10le"
    coder = options or ("-c:v", "libx264", "-crf", 4)
    return film(path, patches(), 24, "-vf", to, *coder, *tags, "-color_range", "pc" if full else "tv")


WIDE = {
    "HLG": ("bt2020nc", "bt2020", "arib-std-b67"),
    "PQ": ("bt2020nc", "bt2020", "smpte2084"),
    "PQ with P3 primaries": ("bt2020nc", "smpte432", "smpte2084"),
    "HLG in full range": ("bt2020nc", "bt2020", "arib-std-b67"),
    "PQ of 100 nits": ("bt2020nc", "bt2020", "smpte2084"),
    "BT.2020 without HDR": ("bt2020nc", "bt2020", "bt2020-10"),
    "Display P3": ("bt709", "smpte432", "bt709"),
    "BT.709 in 10 bit": ("bt709", "bt709", "bt709"),
    "SMPTE 240M": ("smpte240m", "bt709", "bt709"),
}


@pytest.mark.parametrize("name", WIDE)
def test_every_tagged_video_comes_out_in_the_colours_of_a_screen(tmp_path, name):
    white = 100 if "100" in name else 203
    path = tagged(tmp_path / "a.mov", *WIDE[name], white=white, full="full" in name)
    colours_seen = seen(path)
    assert np.abs(colours_seen[:3] - PATCHES[:3]).max() <= 5
    assert colours_seen[3].min() > 230
    assert colour_warning(path, probe_video(path).look) == ""
    small = np.frombuffer(thumbnail(path, 128, 64), np.uint8).reshape(64, 128, 3)
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


def fields(path, order: str, *coder: object, mark: bool = True, height: int = 576):
    """Film a bar that moves between the two fields of every picture."""
    first, name = {"tff": ("top", "tff"), "bff": ("bottom", "bff")}[order]
    said = f"setfield={name}" if mark else "setfield=prog"
    bar = f"overlay=x='mod(n*20\\,{height // 2})',tinterlace=interleave_{first},{said}"
    black, white = (f"color={c}:s={w}x{height}:r=50:d=1.2" for c, w in (("black", height), ("white", 60)))
    ffmpeg("-f", "lavfi", "-i", f"{black}[b];{white}[w];[b][w]{bar}", *coder, path)
    return path


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


@pytest.mark.parametrize("height", [64, 576])
def test_progressive_video_is_untouched(tmp_path, height):
    frames = moving(12, height, 96)
    path = film(tmp_path / "a.mkv", frames, 25, *LOSSLESS)
    assert np.array_equal(read_tail(path, 12, fps=None), frames)
    still = h264(tmp_path / "b.mp4", np.repeat(moving(1, height, 96), 12, axis=0), 25)
    assert colours.whole_pictures(still, probe_video(still).look) == ""

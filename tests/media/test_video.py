"""Odd videos as people have them: upright, with the right frames, and refused in words when they cannot serve."""

import numpy as np
import pytest

from pipelines.front.errors import DiskFull, MediaError
from pipelines.media.read.check import video_problem
from pipelines.media.read.probe import probe_video
from pipelines.media.read.video import last_frame, read_tail
from pipelines.media.write.video import VideoWriter
from tests.media.films import KEEP, LOSSLESS, counted, ffmpeg, film, h264, halves, moving, tone, turn

SHOT = 9


def grey(frames: np.ndarray) -> list[int]:
    return [round(float(frame.mean())) for frame in frames]


def test_a_24_fps_file_gives_its_last_frames_in_both_modes(tmp_path):
    path = film(tmp_path / "a.mkv", counted(60))
    resampled, raw = read_tail(path, 25), read_tail(path, 25, fps=None)
    assert np.array_equal(resampled, raw)
    assert grey(raw) == [4 * index for index in range(35, 60)]


def test_b_frames_and_a_long_group_of_pictures_cost_no_frame(tmp_path):
    path = h264(tmp_path / "a.mp4", counted(150, step=1), 24, "-g", 300, "-bf", 3)
    assert grey(read_tail(path, 25)) == pytest.approx(list(range(125, 150)), abs=1)


def test_60_fps_is_resampled_by_time_stamps_unless_raw(tmp_path):
    path = film(tmp_path / "a.mkv", counted(120, step=2), 60)
    numbers = [value / 2 for value in grey(read_tail(path, 25))]
    assert numbers == pytest.approx([119 - 2.5 * back for back in range(24, -1, -1)], abs=0.51)
    assert grey(read_tail(path, 25, fps=None)) == [2 * index for index in range(95, 120)]


def test_12_fps_repeats_frames(tmp_path):
    path = film(tmp_path / "a.mkv", counted(30), 12)
    numbers = [value / 4 for value in grey(read_tail(path, 9))]
    assert numbers == pytest.approx([29 - back / 2 for back in range(8, -1, -1)], abs=0.51)


def test_a_variable_frame_rate_shows_each_picture_until_the_next_one_comes(tmp_path):
    stamps = "setpts='if(lt(N,20),N/10,2+(N-20)/30)/TB'"
    path = film(tmp_path / "a.mkv", counted(50), 30, "-vf", stamps, *KEEP, *LOSSLESS)
    times = [n / 10 if n < 20 else 2 + (n - 20) / 30 for n in range(50)]
    numbers = [value // 4 for value in grey(read_tail(path, 49))]
    moments = [times[-1] - back / 24 for back in range(48, -1, -1)]
    assert numbers == [max(n for n, time in enumerate(times) if time <= moment + 0.002) for moment in moments]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_metadata_is_honoured(tmp_path, degrees):
    flat = h264(tmp_path / "flat.mp4", halves(SHOT))
    turned = turn(flat, tmp_path / "turned.mp4", degrees)
    info = probe_video(turned)
    assert (info.width, info.height) == ((64, 96) if degrees % 180 else (96, 64))
    assert info.rotation == -degrees % 360
    for fps in (24.0, None):
        frame = read_tail(turned, SHOT, fps=fps)[0].astype(int)
        edges = {90: frame[:, 8], 180: frame[-8], 270: frame[:, -8]}
        assert edges[degrees][:, 0].mean() > 150, "the red half is where a player shows it"
        assert edges[degrees][:, 2].mean() < 60


def test_non_square_pixels_are_scaled(tmp_path):
    path = h264(tmp_path / "a.mp4", halves(SHOT), 24, "-aspect", "3:1")
    info = probe_video(path)
    assert (info.width, info.height) == (192, 64)
    assert read_tail(path, SHOT).shape == (SHOT, 64, 192, 3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("odd.mkv", LOSSLESS),
        ("alpha.mov", ("-c:v", "qtrle", "-pix_fmt", "argb")),
        ("ten_bit.mkv", ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-crf", 4, "-vf", "scale=96:64")),
        ("old.avi", ("-c:v", "mpeg4", "-q:v", 1)),
        ("disc.mpg", ("-c:v", "mpeg2video", "-q:v", 1, "-r", 25, "-vf", "scale=96:64")),
        ("web.webm", ("-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime")),
        ("animation.gif", ("-vf", "fps=25")),
        ("bare.h264", ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-crf", 4)),
        ("grey.mkv", ("-c:v", "ffv1", "-pix_fmt", "gray")),
    ],
)
def test_every_kind_of_video_is_read_upright(tmp_path, name, options):
    path = film(tmp_path / name, halves(30, 63, 97), 24, *options)
    assert video_problem(path, SHOT) == ""
    frames = read_tail(path, SHOT)
    info = probe_video(path)
    assert frames.shape == (SHOT, info.height, info.width, 3)
    upper, lower = frames[-1, 10].mean(axis=0), frames[-1, -10].mean(axis=0)
    if name == "grey.mkv":
        assert upper.std() < 1 and upper[0] > lower[0] + 20
    else:
        assert upper[0] > 150 > 90 > lower[0] and lower[2] > 150 > 90 > upper[2]


def test_a_file_whose_index_misleads_is_read_from_its_beginning(tmp_path):
    whole = film(tmp_path / "whole.mpg", counted(120, 64, 96, step=2), 25, "-c:v", "mpeg2video", "-q:v", 1, "-g", 200)
    assert grey(read_tail(whole, 9)) == pytest.approx([2 * number for number in range(111, 120)], abs=3)


def test_the_last_frame_of_a_sound_longer_than_the_picture(tmp_path):
    picture, sound, both = tmp_path / "p.mkv", tmp_path / "s.wav", tmp_path / "both.mkv"
    film(picture, counted(30))
    tone(sound, 6)
    ffmpeg("-i", picture, "-i", sound, "-c", "copy", both)
    assert np.asarray(last_frame(both)).mean() == 116
    info = probe_video(both)
    assert (info.num_frames, info.has_audio) == (30, True)
    assert info.duration_s == pytest.approx(1.25, abs=0.01)


def test_too_few_frames_are_refused_with_both_numbers(tmp_path):
    path = film(tmp_path / "short.mkv", counted(24))
    assert "25 frames at 24 fps are needed, the video has 24" in video_problem(path, 25)
    with pytest.raises(MediaError, match="has 24 frames at 24 fps, 25 are needed"):
        read_tail(path, 25)
    assert video_problem(path, 24) == ""
    fast = film(tmp_path / "fast.mkv", counted(50), 60)
    assert "the video has 20" in video_problem(fast, 25)
    assert video_problem(fast, 25, raw_frames=True) == ""


def test_refusals_each_have_their_own_words(tmp_path):
    whole = h264(tmp_path / "whole.mp4", moving(30))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("not a film\n" * 50)
    voice = tone(tmp_path / "voice.mp4", 1, "-c:a", "aac")
    picture = tmp_path / "picture.png"
    film(picture, moving(1), 1, "-frames:v", 1)
    wide = film(tmp_path / "wide.mkv", np.zeros((2, 20, 20000, 3), np.uint8), 24)
    list_file = tmp_path / "list.m3u8"
    list_file.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{whole}\n#EXT-X-ENDLIST\n")
    expected = {
        tmp_path / "missing.mp4": "no such file",
        tmp_path: "is a directory",
        empty: "0 bytes",
        text: "not a video",
        cut: "moov",
        voice: "no video stream",
        picture: "is a picture, not a video",
        wide: "20000x20",
        list_file: "not a video",
    }
    messages = {path: video_problem(path, SHOT) for path in expected}
    for path, words in expected.items():
        assert words in messages[path], messages[path]
    assert len(set(messages.values())) == len(messages)


def test_a_changed_file_is_probed_again(tmp_path):
    path = film(tmp_path / "a.mkv", counted(10))
    assert probe_video(path).num_frames == 10
    film(path, counted(12))
    assert probe_video(path).num_frames == 12


def test_names_that_look_like_options_or_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-i.mkv", "concat:a|b.mkv", "http:x.mkv", "100%d [x] 'q' \u202e.mkv"):
        (tmp_path / "plain.mkv").unlink(missing_ok=True)
        film(tmp_path / "plain.mkv", counted(3)).rename(tmp_path / name)
        assert probe_video(name).num_frames == 3


def test_the_writer_keeps_every_frame_in_true_colours(tmp_path):
    frames = moving(50)
    flat = np.full((10, 64, 96, 3), (200, 30, 90), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 96, 64, 24) as writer:
        writer.write(frames[:13])
        writer.write(frames[13:])
        writer.write(flat)
    info = probe_video(tmp_path / "a.mp4")
    assert (info.num_frames, info.fps, info.width, info.height) == (60, 24.0, 96, 64)
    back = read_tail(tmp_path / "a.mp4", 60)
    assert np.abs(back[-1].astype(int) - flat[-1]).max() <= 3
    distances = [np.abs(back[20].astype(int) - frames[index]).mean() for index in (19, 20, 21)]
    assert min(distances) == distances[1]


def test_the_writer_gives_the_same_bytes_however_the_frames_arrive(tmp_path):
    frames = moving(40)
    for name, size in (("a.mp4", 40), ("b.mp4", 7)):
        with VideoWriter(tmp_path / name, 96, 64, 24) as writer:
            for start in range(0, 40, size):
                writer.write(frames[start : start + size])
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_an_interrupted_writer_leaves_no_file(tmp_path):
    with pytest.raises(KeyError), VideoWriter(tmp_path / "a.mp4", 96, 64, 24) as writer:
        writer.write(moving(5))
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_to_be_full(tmp_path):
    target = tmp_path / "full.mp4"
    target.symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), dtype=np.uint8)
    with pytest.raises(DiskFull), VideoWriter(target, 96, 64, 24) as writer:
        for _ in range(10):
            writer.write(noise)


def test_wrong_frames_are_refused(tmp_path):
    with pytest.raises(MediaError, match="must be even"):
        VideoWriter(tmp_path / "a.mp4", 95, 64, 24)
    with pytest.raises(ValueError, match="expected uint8"), VideoWriter(tmp_path / "a.mp4", 96, 64, 24) as writer:
        writer.write(np.zeros((1, 64, 98, 3), np.uint8))

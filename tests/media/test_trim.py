"""Trims: exact to the frame and to the sample, in what the model is given and in the file that is made."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.front.runtime import Runtime
from pipelines.front.trim import WHOLE, Trim
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.check import audio_stretch_problems, video_trim_problems
from pipelines.media.read.probe import picture_times, probe_audio, probe_video
from pipelines.media.read.used import used_of_sound, used_of_video
from pipelines.media.read.video import read_tail
from pipelines.media.write.mux import Sound
from pipelines.media.write.publish import publish, write_opening
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.single_shot_extension import SingleShotExtension
from tests.media.films import KEEP, counted, film, h264, turn

X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 8)
COUNT = 120


def coded(count: int, height: int = 48, width: int = 96) -> np.ndarray:
    """Frames that show their number as eight stripes, black or white, which no codec blurs away."""
    bits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    stripes = np.repeat(bits * 200 + 20, width // 8, axis=1).astype(np.uint8)
    return np.broadcast_to(stripes[:, None, :, None], (count, height, width, 3)).copy()


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames of `coded` show."""
    stripes = frames.astype(float).mean(axis=(1, 3)).reshape(len(frames), 8, -1).mean(axis=2) > 120
    return [int(sum(1 << bit for bit in range(8) if row[bit])) for row in stripes]


VARIABLE = ("-vf", "setpts='round(if(lt(N,40),N/10,4+(N-40)/30)/TB)'", *KEEP)
"""10 pictures a second, then 30."""
FILMS = {
    "plain.mp4": (24, (*X264, "-bf", 3)),
    "ntsc.mp4": (30000 / 1001, (*X264, "-bf", 2)),
    "long_groups.mp4": (24, (*X264, "-g", 600, "-bf", 3)),
    "milliseconds.mkv": (30, X264),
    "late.mkv": (25, (*X264, "-output_ts_offset", 3.7)),
    "variable.mp4": (30, (*VARIABLE, *X264)),
    "variable.mkv": (30, (*VARIABLE, *X264)),
    "browser.webm": (24, ("-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime")),
    "disc.ts": (25, (*X264, "-bf", 2)),
    "fast.mp4": (120, X264),
}


@pytest.fixture(scope="module", params=FILMS)
def numbered(request, tmp_path_factory) -> Path:
    fps, options = FILMS[request.param]
    return film(tmp_path_factory.mktemp("numbered") / request.param, coded(COUNT), fps, *options)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return film(tmp_path_factory.mktemp("plain") / "clip.mp4", coded(COUNT), 24, *X264)


@pytest.mark.parametrize(("first", "stop"), [(0, 70), (33, 95), (41, 120), (60, 61)])
def test_pictures_are_cut_at_the_very_frame(tmp_path, numbered, first, stop):
    times = np.asarray(picture_times(numbered)) - picture_times(numbered)[0]
    assert len(times) == COUNT
    end = round(float(times[stop]), 6) if stop < COUNT else 0.0
    trim = Trim(round(float(times[first]), 6), end)
    used = used_of_video(numbered, trim)
    assert (used.first, used.last, used.total) == (first + 1, stop, COUNT)
    # As they are stored, and as a player shows them at the model's rate.
    count = stop - first
    assert numbers(read_tail(numbered, min(count, 30), fps=None, trim=trim)) == list(range(stop - min(count, 30), stop))
    if used.ends_s - used.starts_s > 9 / 24:
        shown = numbers(read_tail(numbered, 9, trim=trim))
        assert shown == sorted(shown) and shown[-1] == stop - 1 and shown[0] >= first
    frames, _ = write_opening(numbered, tmp_path / "opening.mp4", 96, 48, 24, trim)
    opening = numbers(read_tail(tmp_path / "opening.mp4", frames, fps=None))
    fps = probe_video(numbered).fps
    # The opening is whole frames of the model's rate and ends with the stretch.
    assert opening[-1] == stop - 1 and first <= opening[0] <= first + (0 if fps == 24 else 2 * fps / 24)
    assert not set(opening) - set(range(first, stop)), "no picture of what is cut"
    assert frames == max(1, int((used.ends_s - used.starts_s) * 24 + 0.25))


def test_a_start_between_two_pictures_begins_with_the_next_and_an_end_ends_with_the_one_before(plain):
    used = used_of_video(plain, Trim(1.01, 3.01))
    assert (used.first, used.last) == (26, 73)
    assert used.starts_s == pytest.approx(25 / 24, abs=1e-6) and used.ends_s == pytest.approx(3.01, abs=1e-6)


def test_nothing_cut_reads_as_ever(numbered):
    for fps in (None, 24.0):
        whole = Trim(0.0, round(probe_video(numbered).duration_s, 6) + 0.0009)
        assert np.array_equal(read_tail(numbered, 20, fps=fps), read_tail(numbered, 20, fps=fps, trim=whole))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_cut_at_the_same_frame_and_upright(tmp_path, degrees):
    flat = h264(tmp_path / "flat.mp4", counted(60, step=4), 24)
    turned = turn(flat, tmp_path / "turned.mp4", degrees)
    trim = Trim(10 / 24, 40 / 24)
    frames = read_tail(turned, 30, fps=None, trim=trim)
    assert frames.shape[1:3] == ((48, 32) if degrees != 180 else (32, 48))
    assert [round(float(frame.mean()) / 4) for frame in frames] == list(range(10, 40))


def test_a_long_video_is_sought_and_still_cut_at_the_frame(tmp_path):
    """60 s: only the end of the stretch is decoded."""
    path = film(tmp_path / "long.mp4", np.tile(coded(150, 16, 32), (10, 1, 1, 1)), 25, *X264, "-g", 50)
    for stop in (1500, 1111, 700, 251):
        frames = read_tail(path, 20, fps=None, trim=Trim(4.0, stop / 25))
        assert numbers(frames) == [number % 150 for number in range(stop - 20, stop)]


@pytest.mark.parametrize(
    ("trim", "field", "words"),
    [
        (Trim(2.0, 1.0), "trim_end", "the end, 1 s, is not behind the start, 2 s"),
        (Trim(2.0, 2.0), "trim_end", "is not behind the start"),
        (Trim(5.0, 0.0), "trim_start", "lasts 5.000 s: it cannot start at 5 s"),
        (Trim(7.5, 9.0), "trim_start", "cannot start at 7.5 s"),
        (Trim(0.0, 5.01), "trim_end", "lasts 5.000 s: it cannot end at 5.01 s"),
        (Trim(4.5, 0.0), "trim_start", "25 frames at 24 fps are needed, start to end holds 12"),
        (Trim(4.0, 4.9), "trim_end", "25 frames at 24 fps are needed, start to end holds 21"),
        (Trim(1.01, 1.02), "trim_end", "25 frames at 24 fps are needed, start to end holds 0"),
    ],
)
def test_a_stretch_that_cannot_go_on_is_refused_in_words(plain, trim, field, words):
    [problem] = video_trim_problems([str(plain)], trim, 25)
    assert problem.field == field and words in problem.message
    request = SingleShotExtension(
        prompt="x", input_video=(str(plain),), trim_start=trim.start_s, trim_end=trim.end_s, resolution="128P",
        profile="demo",
    )  # fmt: skip
    assert [(found.field, found.message) for found in request.check()] == [(field, problem.message)]


# Sound


def pattern(count: int, rate: int, seed: int = 0) -> np.ndarray:
    """Samples of which no stretch is like another, low enough for every rate and codec."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal(count * 3000 // rate + 8)
    return (0.2 * np.interp(np.arange(count) * 3000 / rate, np.arange(len(coarse)), coarse)).clip(-0.9, 0.9)


def recording(path: Path, channels: list[np.ndarray], rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("first", "stop"), [(0.0, 0.7), (0.31, 1.6), (0.777, 0.0)])
def test_a_recording_is_cut_at_the_very_sample(tmp_path, rate, first, stop):
    samples = pattern(2 * rate, rate)
    path = recording(tmp_path / "voice.wav", [samples], rate)
    low, high = round(first * rate), round(stop * rate) or 2 * rate
    trim = Trim(round(low / rate, 6), round(high / rate, 6) if stop else 0.0)
    heard = decode_mono(path, rate, trim)
    stored = (samples * 32767).round() / 32768
    assert len(heard) == high - low and np.abs(heard - stored[low:high]).max() < 1e-6
    used = used_of_sound(path, trim)
    assert (used.first, used.last, used.total) == (low + 1, high, 2 * rate)
    # What the model hears is the stretch alone, resampled: the same as of a file that holds nothing else.
    alone = recording(tmp_path / "alone.wav", [samples[low:high]], rate)
    assert np.array_equal(decode_mono(path, 16000, trim), decode_mono(alone, 16000))


@pytest.mark.parametrize("name", ["voice.flac", "voice.mkv", "voice.m4a"])
def test_other_kinds_of_files_are_cut_at_the_same_sample(tmp_path, name):
    from tests.media.films import ffmpeg

    rate, samples = 44100, pattern(88200, 44100)
    wav = recording(tmp_path / "voice.wav", [samples], rate)
    codec = {"voice.flac": "flac", "voice.mkv": "pcm_s16le", "voice.m4a": "alac"}[name]
    ffmpeg("-i", wav, "-c:a", codec, tmp_path / name)
    assert np.array_equal(decode_mono(tmp_path / name, rate, Trim(0.5, 1.25)), decode_mono(wav, rate, Trim(0.5, 1.25)))


def test_one_channel_is_heard_alone(tmp_path):
    rate = 44100
    left, right = pattern(rate, rate, 1), pattern(rate, rate, 2)
    path = recording(tmp_path / "two.wav", [left, right], rate)
    for channel, samples in enumerate((left, right)):
        stored = (samples * 32767).round() / 32768
        assert np.abs(decode_mono(path, rate, channel=channel) - stored).max() < 1e-6
        cut = decode_mono(path, rate, Trim(0.25, 0.5), channel)
        assert np.abs(cut - stored[11025:22050]).max() < 1e-6
    opposite = recording(tmp_path / "opposite.wav", [left, -left], rate)
    assert np.abs(decode_mono(opposite, rate, channel=1) + (left * 32767).round() / 32768).max() < 1e-6
    mixed = decode_mono(path, rate)
    assert np.array_equal(mixed, decode_mono(path, rate, WHOLE, None))


@pytest.mark.parametrize(
    ("trim", "channel", "field", "words"),
    [
        (Trim(1.5, 1.0), "mix", "trim_end", "is not behind the start"),
        (Trim(2.0, 0.0), "mix", "trim_start", "lasts 2.000 s: it cannot start at 2 s"),
        (Trim(0.0, 2.1), "mix", "trim_end", "lasts 2.000 s: it cannot end at 2.1 s"),
        (Trim(1.8, 0.0), "mix", "trim_start", "start to end lasts 0.200 s: 0.4 to 200 s are needed"),
        (Trim(0.0, 0.39), "mix", "trim_end", "start to end lasts 0.390 s"),
        (WHOLE, "right", "voice_channel", "has one channel only: choose all mixed"),
    ],
)
def test_a_stretch_that_cannot_be_spoken_is_refused_in_words(tmp_path, trim, channel, field, words):
    path = recording(tmp_path / "voice.wav", [pattern(32000, 16000)], 16000)
    [problem] = audio_stretch_problems([str(path)], trim, channel, 0.4, 200)
    assert problem.field == field and words in problem.message


# In the file that is made


@pytest.fixture
def runtime(tmp_path) -> Runtime:
    return Runtime("cpu", tmp_path, tmp_path / "work", tmp_path / "result", "made", tmp_path)


def piece(path: Path, frames: int, fps: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 96, 48, fps) as writer:
        writer.write(np.full((frames, 48, 96, 3), 90, dtype=np.uint8))
    return path


def place_of(part: np.ndarray, within: np.ndarray) -> int:
    """Where a part begins in a sound, by correlation."""
    return int(np.argmax(np.correlate(within, part, "valid")))


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000, 96000])
def test_the_sound_of_a_result_begins_and_ends_with_the_stretch(tmp_path, runtime, rate):
    samples = pattern(3 * rate, rate)
    path = recording(tmp_path / "voice.wav", [samples, 0.5 * samples], rate)
    trim = Trim(0.5, 1.74)
    video = piece(runtime.work_dir / "piece.mp4", 31, 25)
    sound = Sound(path, seconds=31 / 25, trim=trim, channel=0)
    used = {"input_audio": used_of_sound(path, trim, "left")}
    output = publish([video], runtime, SingleShotExtension(), task="t", fps=25, num_frames=31, sound=sound, used=used)
    made = probe_audio(output.path)
    assert made.channels == 1 and made.duration_s == pytest.approx(31 / 25, abs=0.001)
    heard, wanted = decode_mono(output.path, 48000), decode_mono(path, 48000, trim, 0)
    middle = wanted[6000:50000]
    assert abs(place_of(middle, heard) - 6000) <= 1, "where it was, to the sample"
    recipe = json.loads(output.path.with_suffix(".json").read_text())
    assert recipe["used"]["input_audio"] == {
        "unit": "sample", "first": round(0.5 * rate) + 1, "last": round(1.74 * rate), "total": 3 * rate,
        "starts_s": 0.5, "ends_s": 1.74, "length_s": 3.0, "channel": "left",
    }  # fmt: skip


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("offset", [0.0, 2.5])
def test_the_sound_of_a_trimmed_video_stays_with_its_pictures(tmp_path, plain, runtime, rate, offset):
    from tests.media.films import ffmpeg

    samples = pattern(5 * rate, rate)
    wav = recording(tmp_path / "sound.wav", [samples], rate)
    clip = tmp_path / "clip.mkv"
    ffmpeg("-i", plain, "-i", wav, "-c:v", "copy", "-c:a", "pcm_s16le", "-output_ts_offset", offset, clip)
    trim = Trim(36 / 24, 84 / 24)
    new = piece(runtime.work_dir / "piece.mp4", 24, 24)
    used = {"input_video": used_of_video(clip, trim)}
    output = publish(
        [new], runtime, SingleShotExtension(), task="t", fps=24, num_frames=24, before=clip, trim=trim, used=used
    )
    frames = read_tail(output.path, 72, fps=None)
    assert numbers(frames)[:48] == list(range(36, 84)) and output.num_frames == 72
    heard = decode_mono(output.path, 48000)
    wanted = decode_mono(wav, 48000, Trim(1.5, 3.5))
    # Containers store milliseconds.
    assert abs(place_of(wanted[9600:80000], heard) - 9600) <= 48 + 1
    assert np.abs(heard[96000 + 480 :]).max() < 0.01, "no sound of what is cut"
    recipe = json.loads(output.path.with_suffix(".json").read_text())["used"]["input_video"]
    assert (recipe["first"], recipe["last"], recipe["total"]) == (37, 84, COUNT)


def test_what_is_used_whole_leaves_nothing_in_the_recipe(tmp_path, runtime):
    path = recording(tmp_path / "voice.wav", [pattern(16000, 16000)], 16000)
    video = piece(runtime.work_dir / "piece.mp4", 25, 25)
    output = publish(
        [video], runtime, replace(SingleShotExtension()), task="t", fps=25, num_frames=25, sound=Sound(path),
        used={"input_audio": used_of_sound(path, WHOLE)},
    )  # fmt: skip
    assert "used" not in json.loads(output.path.with_suffix(".json").read_text())

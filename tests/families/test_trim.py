"""A trimmed input gives what a file that holds the stretch alone gives, frame for frame and sample for sample."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.generate import generate, read_speech, read_voice
from pipelines.families.v2v.generate import generate_shot_switching, source_frames
from pipelines.front.errors import Cancelled, InvalidRequest
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.frames import frame_times
from pipelines.media.read.video import read_tail
from pipelines.media.write.publish import read_metadata
from pipelines.running.pool import ModelPool
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from pipelines.tasks.single_shot_extension import SingleShotExtension
from pipelines.tasks.talking_avatar import TalkingAvatar, plan
from tests.media.films import film, moving

LOSSLESS = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", 0, "-bf", 2)
pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def runtime_in(folder: Path, cache: Path, family: str) -> Runtime:
    return Runtime("cpu", cache, folder / "work", folder / "result", "made", demo_checkpoint(family, cache))


@pytest.mark.parametrize("task", [SingleShotExtension, ShotSwitchingExtension])
@pytest.mark.parametrize("raw", [False, True])
def test_the_model_is_given_the_last_frames_of_the_stretch(tmp_path, task, raw):
    frames = moving(150, 48, 64)
    whole = film(tmp_path / "whole.mp4", frames, 30, *LOSSLESS)
    alone = film(tmp_path / "alone.mp4", frames[20:130], 30, *LOSSLESS)
    asked = task(prompt="x", input_video=(str(whole),), raw_frames=raw, resolution="128P", profile="demo")
    trimmed = replace(asked, trim_start=round(20 / 30, 6), trim_end=round(130 / 30, 6))
    assert trimmed.check() == []
    assert np.array_equal(source_frames(trimmed), source_frames(replace(asked, input_video=(str(alone),))))
    assert not np.array_equal(source_frames(trimmed), source_frames(asked))


def test_a_new_shot_of_a_trimmed_video_is_that_of_the_stretch(tmp_path, cache, pool):
    frames = moving(90, 48, 64)
    whole = film(tmp_path / "whole.mp4", frames, 24, *LOSSLESS)
    alone = film(tmp_path / "alone.mp4", frames[10:70], 24, *LOSSLESS)
    asked = ShotSwitchingExtension(
        prompt="x", input_video=(str(whole),), trim_start=round(10 / 24, 6), trim_end=round(70 / 24, 6),
        resolution="128P", profile="demo", duration=2, num_inference_steps=4,
    )  # fmt: skip
    made = generate_shot_switching(asked, runtime_in(tmp_path / "a", cache, "v2v"), pool, ignore_progress)
    untouched = replace(asked, input_video=(str(alone),), trim_start=0.0, trim_end=0.0)
    other = generate_shot_switching(untouched, runtime_in(tmp_path / "b", cache, "v2v"), pool, ignore_progress)
    assert made.num_frames == other.num_frames == 60 + 49
    assert np.array_equal(*(read_tail(one.path, len(frame_times(one.path)), fps=None) for one in (made, other)))
    used = read_metadata(made.path)["used"]["input_video"]
    assert (used["unit"], used["first"], used["last"], used["total"]) == ("frame", 11, 70, 90)
    assert json.loads(made.path.with_suffix(".json").read_text())["request"]["trim_end"] == asked.trim_end
    assert "used" not in read_metadata(other.path)


def recording(path: Path, channels: list[np.ndarray], rate: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes())
    return str(path)


def speech(seconds: float, rate: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    points = np.arange(0, seconds + 1, 0.1)
    envelope = np.interp(time, points, rng.uniform(0.05, 0.4, len(points)))
    return envelope * np.sin(2 * np.pi * (140 + 30 * seed) * time)


@pytest.fixture
def portrait(tmp_path) -> str:
    Image.new("RGB", (64, 64), (120, 90, 60)).save(tmp_path / "portrait.png")
    return str(tmp_path / "portrait.png")


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("channel", ["mix", "left", "right"])
def test_the_model_hears_the_stretch_and_the_channel_alone(tmp_path, rate, channel):
    left, right = speech(3, rate, 1), speech(3, rate, 2)
    path = recording(tmp_path / "voice.wav", [left, right], rate)
    asked = TalkingAvatar(
        prompt="x", input_audio=(path,), trim_start=0.5, trim_end=2.3, voice_channel=channel, profile="demo"
    )
    cut = slice(round(0.5 * rate), round(2.3 * rate))
    kept = {"mix": [left[cut], right[cut]], "left": [left[cut]], "right": [right[cut]]}[channel]
    alone = recording(tmp_path / "alone.wav", kept, rate)
    assert np.array_equal(read_speech(asked).tracks[0].numpy(), read_voice(alone).waveform.numpy())


def test_an_avatar_speaks_the_stretch_of_one_channel_and_the_file_holds_no_other_sound(
    tmp_path, cache, pool, portrait, monkeypatch
):
    rate = 44100
    left, right = speech(2, rate, 1), speech(2, rate, 2)
    path = recording(tmp_path / "voice.wav", [left, right], rate)
    asked = TalkingAvatar(
        prompt="x", input_image=(portrait,), input_audio=(path,), trim_start=0.75, trim_end=1.25,
        voice_channel="right", resolution="128P", profile="demo", num_inference_steps=1,
    )  # fmt: skip
    assert asked.check() == []
    planned = plan(asked)
    assert planned.num_frames == 13
    assert planned.used == (
        "uses 0.750 to 1.250 s of 2.000 s", "cuts the first 0.750 s", "cuts the last 0.750 s", "right channel alone"
    )  # fmt: skip
    made = generate(asked, runtime_in(tmp_path / "a", cache, "a2v"), pool, ignore_progress)
    cut = slice(round(0.75 * rate), round(1.25 * rate))
    alone = recording(tmp_path / "alone.wav", [right[cut]], rate)
    whole = replace(asked, input_audio=(alone,), trim_start=0.0, trim_end=0.0, voice_channel="mix")
    other = generate(whole, runtime_in(tmp_path / "b", cache, "a2v"), pool, ignore_progress)
    assert np.array_equal(*(read_tail(one.path, 13, fps=None) for one in (made, other)))
    heard = [decode_mono(one.path, rate) for one in (made, other)]
    assert len(heard[0]) == len(heard[1]) and np.abs(heard[0] - heard[1]).max() < 1e-3
    used = read_metadata(made.path)["used"]["input_audio"]
    assert (used["first"], used["last"], used["channel"]) == (round(0.75 * rate) + 1, round(1.25 * rate), "right")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"trim_start": 1.0, "trim_end": 0.5}, "trim_end"),
        ({"trim_start": 2.0}, "trim_start"),
        ({"trim_end": 3.0}, "trim_end"),
        ({"trim_start": 1.7}, "trim_start"),
        ({"voice_channel": "left"}, "voice_channel"),
        ({"voice_channel": "middle"}, "voice_channel"),
        ({"trim_start": -1.0}, "trim_start"),
    ],
)
def test_what_cannot_be_cut_so_is_refused_before_any_model(tmp_path, cache, portrait, changes, field):
    path = recording(tmp_path / "voice.wav", [speech(2, 16000, 1)], 16000)
    asked = TalkingAvatar(
        prompt="x", input_image=(portrait,), input_audio=(path,), resolution="128P", profile="demo", **changes
    )
    stages: list[Stage] = []
    with pytest.raises(InvalidRequest) as caught:
        generate(asked, runtime_in(tmp_path, cache, "a2v"), ModelPool(), lambda progress: stages.append(progress.stage))
    assert [problem.field for problem in caught.value.problems] == [field]
    assert not stages


def test_of_a_recording_that_is_too_long_a_stretch_is_spoken(tmp_path, portrait):
    path = recording(tmp_path / "long.wav", [0.2 * np.ones(8000 * 205) * np.sin(np.arange(8000 * 205) / 5)], 8000)
    asked = TalkingAvatar(prompt="x", input_image=(portrait,), input_audio=(path,), resolution="128P", profile="demo")
    assert [problem.field for problem in asked.check()] == ["input_audio"]
    assert replace(asked, trim_start=100.0, trim_end=120.0).check() == []
    assert [problem.field for problem in replace(asked, trim_end=202.0).check()] == ["trim_end"]
    assert len(read_speech(replace(asked, trim_start=200.0, trim_end=204.0)).tracks[0]) == 4 * 16000


def test_two_people_of_one_recording_are_taken_apart(tmp_path, cache, pool, portrait):
    """Each speaker has a channel and a stretch; the file holds both where they belong."""
    rate = 44100
    left, right = speech(3, rate, 1), speech(3, rate, 2)
    path = recording(tmp_path / "both.wav", [left, right], rate)
    asked = TalkingAvatar(
        prompt="x", input_image=(portrait,), input_audio=(path,), second_audio=(path,),
        regions="0,0,50,100 50,0,50,100", trim_end=0.5, voice_channel="left",
        second_start=1.0, second_end=1.48, second_channel="right",
        resolution="128P", profile="demo", num_inference_steps=1,
    )  # fmt: skip
    assert asked.check() == []
    alone = [
        recording(tmp_path / "one.wav", [left[: rate // 2]], rate),
        recording(tmp_path / "two.wav", [right[rate : round(1.48 * rate)]], rate),
    ]
    whole = replace(
        asked, input_audio=(alone[0],), second_audio=(alone[1],), trim_end=0.0, second_start=0.0, second_end=0.0,
        voice_channel="mix", second_channel="mix",
    )  # fmt: skip
    for one, other in zip(read_speech(asked).tracks, read_speech(whole).tracks, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())
    assert plan(asked).num_frames == plan(whole).num_frames == 25
    made = [
        generate(one, runtime_in(tmp_path / name, cache, "a2v"), pool, ignore_progress)
        for name, one in (("a", asked), ("b", whole))
    ]
    assert np.abs(np.subtract(*(decode_mono(one.path, rate) for one in made))).max() < 1e-3
    used = read_metadata(made[0].path)["used"]
    assert (used["second_audio"]["first"], used["second_audio"]["channel"]) == (rate + 1, "right")
    for changes in ({"second_start": 1.4}, {"second_end": 4.0}, {"second_start": 2.0}):
        assert [problem.field for problem in replace(asked, **changes).check()] == ["second_end"]


def test_a_silent_channel_or_stretch_is_warned_about(tmp_path):
    rate = 16000
    left = speech(3, rate, 1)
    left[: 2 * rate] = 0
    path = recording(tmp_path / "half.wav", [left, np.zeros_like(left)], rate)
    asked = TalkingAvatar(prompt="x", input_audio=(path,), profile="demo")
    silent = "the recording is silent: the mouth has nothing to follow"
    for changes, said in (
        ({}, False), ({"trim_end": 1.5}, True), ({"trim_start": 1.5}, False), ({"voice_channel": "right"}, True),
        ({"voice_channel": "left"}, False),
    ):  # fmt: skip
        assert (silent in read_speech(replace(asked, **changes)).warnings) == said


def test_a_stopped_job_of_a_stretch_goes_on_with_the_same_bytes(tmp_path, cache, pool):
    whole = film(tmp_path / "whole.mp4", moving(90, 48, 64), 24, *LOSSLESS)
    asked = ShotSwitchingExtension(
        prompt="x", input_video=(str(whole),), trim_start=0.5, trim_end=3.0, resolution="128P", profile="demo",
        duration=2, num_inference_steps=4,
    )  # fmt: skip

    def stop(progress):
        if progress.stage is Stage.DENOISE and progress.step == 2:
            raise Cancelled

    expected = generate_shot_switching(asked, runtime_in(tmp_path / "a", cache, "v2v"), pool, ignore_progress)
    with pytest.raises(Cancelled):
        generate_shot_switching(asked, runtime_in(tmp_path / "b", cache, "v2v"), pool, stop)
    made = generate_shot_switching(asked, runtime_in(tmp_path / "b", cache, "v2v"), pool, ignore_progress)
    assert made.path.read_bytes() == expected.path.read_bytes()

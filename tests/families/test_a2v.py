"""Talking avatar from request to mp4 on the demo models, at sizes that keep the test short."""

import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.generate import generate, read_portrait, read_voice
from pipelines.front.errors import Cancelled, InputChanged, InvalidRequest, MediaError
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.front.shapes import AVATAR_BUCKETS
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.media.read.video import read_tail
from pipelines.running.pool import ModelPool
from pipelines.tasks.talking_avatar import TalkingAvatar

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture(scope="module")
def pool():
    return ModelPool()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runtime(tmp_path, cache):
    return Runtime(
        device="cpu",
        cache_dir=cache,
        work_dir=tmp_path / "work",
        result_dir=tmp_path / "result",
        output_stem="avatar",
        checkpoint=demo_checkpoint("a2v", cache),
    )


def speech(path, seconds, rate=44100, channels=2, level=0.2):
    """Something that rises and falls four times a second, as a 16-bit WAV."""
    times = np.arange(round(seconds * rate)) / rate
    mono = level * np.sin(2 * np.pi * 180 * times) * (1 + np.sin(2 * np.pi * 4 * times)) / 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((mono[:, None] * 32767).repeat(channels, axis=1).astype("<i2").tobytes())
    return str(path)


@pytest.fixture
def request_(tmp_path):
    portrait = tmp_path / "portrait.jpg"
    shutil.copy(SAMPLES / "astronaut.jpg", portrait)
    return TalkingAvatar(
        prompt="A woman speaks",
        resolution="128P",
        profile="demo",
        num_inference_steps=2,
        input_image=(str(portrait),),
        input_audio=(speech(tmp_path / "voice.wav", 0.5),),
    )


def stop_at(*place):
    def report(progress):
        if (progress.stage, progress.segment, progress.step) == place:
            raise Cancelled

    return report


def both(*reports):
    return lambda progress: [report(progress) for report in reports]


def test_a_short_recording_takes_one_pass_and_keeps_its_own_sound(runtime, request_, pool):
    stages = []
    output = generate(request_, runtime, pool, lambda progress: stages.append(progress.stage))
    film, sound = probe_video(output.path), probe_audio(output.path)
    assert (film.width, film.height, film.num_frames, film.fps) == (32, 32, 13, 25)
    assert output.path == runtime.result_dir / "talking_avatar" / "avatar.mp4"
    assert output.warnings == ()
    assert (sound.sample_rate, sound.channels) == (44100, 2)
    assert sound.duration_s == pytest.approx(13 / 25, abs=0.03)
    # The sound starts with the picture, and silence fills the last frame.
    heard, spoken = decode_mono(output.path), decode_mono(request_.input_audio[0])
    assert abs(np.argmax(np.correlate(heard, spoken, "valid"))) < 16
    assert np.abs(heard[len(spoken) + 400 :]).max(initial=0) < 0.01
    order = list(dict.fromkeys(stage for stage in stages if stage is not Stage.LOAD))
    assert order == [Stage.TEXT, Stage.CONDITION, Stage.DENOISE, Stage.DECODE, Stage.WRITE]


def test_a_stopped_avatar_of_three_passes_ends_with_the_same_bytes(runtime, request_, pool, tmp_path):
    longer = replace(request_, input_audio=(speech(tmp_path / "longer.wav", 3.5),), num_inference_steps=1)
    whole = generate(longer, runtime, pool, ignore_progress)
    assert whole.num_frames == 88
    expected = whole.path.read_bytes()
    shutil.rmtree(runtime.work_dir)
    seen = []
    for place in ((Stage.DENOISE, 0, 1), (Stage.DECODE, 2, 3), (Stage.WRITE, 2, 0)):
        with pytest.raises(Cancelled):
            generate(longer, runtime, pool, both(seen.append, stop_at(*place)))
    # What a job reports never falls back behind the passes that it has, so neither does its time left.
    passes = [(progress.stage is Stage.LOAD, progress.segment) for progress in seen]
    assert [segment for loads, segment in passes if not loads] == sorted(s for loads, s in passes if not loads)
    seen.clear()
    again = generate(longer, runtime, pool, seen.append)
    assert again.path.read_bytes() == expected
    assert [progress.stage for progress in seen] == [Stage.WRITE]


@pytest.mark.parametrize(("broken", "warned"), [(0, True), (8000, True), (2000, False)])
def test_silence_and_broken_numbers_do_not_crash(runtime, request_, pool, tmp_path, broken, warned):
    samples = np.zeros(8000, dtype=np.float32) if broken == 0 else np.sin(np.arange(8000) / 9).astype(np.float32)
    samples[:broken] = np.nan
    from scipy.io import wavfile

    wavfile.write(tmp_path / "odd.wav", 16000, samples)
    odd = replace(request_, input_audio=(str(tmp_path / "odd.wav"),), num_inference_steps=1)
    output = generate(odd, runtime, pool, ignore_progress)
    assert probe_video(output.path).num_frames == 13
    assert any("silent" in warning for warning in output.warnings) == warned


def test_a_very_quiet_recording_is_warned_about(tmp_path):
    assert not read_voice(speech(tmp_path / "a.wav", 1.0, level=0.2)).warnings
    (warning,) = read_voice(speech(tmp_path / "b.wav", 1.0, level=0.002)).warnings
    assert "quiet" in warning


def test_lengths_outside_the_models_range_are_refused(tmp_path):
    assert read_voice(speech(tmp_path / "a.wav", 0.4)).plan.num_frames == 10
    with pytest.raises(MediaError, match=r"0\.20 s"):
        read_voice(speech(tmp_path / "b.wav", 0.2))
    assert read_voice(speech(tmp_path / "c.wav", 200.0, 8000, 1)).plan.num_frames == 5000
    with pytest.raises(MediaError, match=r"200\.10 s"):
        read_voice(speech(tmp_path / "d.wav", 200.1, 8000, 1))


def test_a_sideways_photograph_is_turned_upright(tmp_path, monkeypatch):
    monkeypatch.setitem(AVATAR_BUCKETS, "128P", {"0.75": (96, 128), "1.33": (128, 96)})
    lying = Image.new("RGB", (120, 90), "navy")
    lying.paste("white", (0, 0, 60, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(tmp_path / "phone.png", exif=exif)
    portrait = read_portrait(str(tmp_path / "phone.png"), "128P")
    assert portrait.picture.shape == (1, 3, 1, 128, 96)
    assert portrait.picture[0, :, 0, :40].min() > 0.9
    assert not portrait.warnings


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_transparent_portrait_shows_what_lies_beneath_and_says_so(tmp_path, mode):
    picture = Image.new("RGBA", (64, 64), (250, 250, 250, 255))
    picture.paste((250, 250, 250, 0), (0, 0, 64, 20))
    seen = picture.convert(mode)
    seen.save(tmp_path / "cut-out.png")
    portrait = read_portrait(str(tmp_path / "cut-out.png"), "128P")
    assert portrait.picture.min() > 0.9
    assert ["transparency was dropped" in warning for warning in portrait.warnings] == [True]
    opaque = Image.new("RGBA", (64, 64), (250, 250, 250, 255))
    opaque.save(tmp_path / "whole.png")
    assert not read_portrait(str(tmp_path / "whole.png"), "128P").warnings


def test_a_portrait_that_loses_a_third_is_warned_about(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "square.png")
    assert not read_portrait(str(tmp_path / "square.png"), "128P").warnings
    Image.new("RGB", (64, 128)).save(tmp_path / "tall.png")
    (warning,) = read_portrait(str(tmp_path / "tall.png"), "128P").warnings
    assert "50%" in warning


def test_bad_requests_are_refused_before_anything_is_read(runtime, request_, pool):
    with pytest.raises(InvalidRequest) as caught:
        generate(replace(request_, resolution="540P"), runtime, pool, ignore_progress)
    assert [problem.field for problem in caught.value.problems] == ["resolution"]
    assert not runtime.work_dir.exists()


def test_a_changed_recording_is_noticed_on_resuming(runtime, request_, pool):
    with pytest.raises(Cancelled):
        generate(request_, runtime, pool, stop_at(Stage.DENOISE, 0, 1))
    speech(Path(request_.input_audio[0]), 0.6)
    with pytest.raises(InputChanged, match=r"voice\.wav"):
        generate(request_, runtime, pool, ignore_progress)


def test_another_seed_is_another_video(runtime, request_, pool):
    def film(request):
        shutil.rmtree(runtime.work_dir, ignore_errors=True)
        return read_tail(generate(request, runtime, pool, ignore_progress).path, 13, fps=None)

    fast = replace(request_, num_inference_steps=1)
    first = film(fast)
    assert not np.array_equal(film(replace(fast, seed=43)), first)

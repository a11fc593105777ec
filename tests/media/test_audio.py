"""Sound: exact resampling, loudness as the reference meter has it, and refusals in words."""

import json
import math
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipelines.media.ffmpeg import Traits, traits
from pipelines.media.read import audio as audio_module
from pipelines.media.read.audio import decode_mono, loudness, normalise_loudness, waveform
from pipelines.media.read.check import audio_problem
from pipelines.media.read.probe import probe_audio
from tests.loudness import integrated_loudness
from tests.media.films import ffmpeg, h264, moving, tone

GOLDENS = Path(__file__).parents[1] / "goldens" / "a2v"
SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
CLIPS = json.loads((GOLDENS / "audio.json").read_text())["clips"]


def wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Write int16 samples [n] or [n, channels]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("with_soxr", [True, False])
def test_decoding_equals_the_goldens(tmp_path, monkeypatch, name, with_soxr):
    if not with_soxr:
        real = traits()
        monkeypatch.setattr(audio_module, "traits", lambda: Traits(real.path, real.libavutil, has_soxr=False))
    tensors, facts = load_file(GOLDENS / "audio.safetensors"), CLIPS[name]
    samples = decode_mono(wav(tmp_path / "a.wav", tensors[f"{name}.input"], facts["sample_rate"]))
    assert samples.shape == (facts["samples_16k"],)
    assert np.abs(samples - tensors[f"{name}.resampled"]).max() <= 1e-6
    assert loudness(samples, 16000) == pytest.approx(float(facts["loudness_lufs"]), abs=1e-4)
    if f"{name}.normalised" in tensors:
        assert np.abs(normalise_loudness(samples, 16000) - tensors[f"{name}.normalised"]).max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.4, 0.47, 3.123])
def test_loudness_equals_pyloudnorm(rate, seconds):
    generator = np.random.default_rng(rate)
    samples = generator.normal(0, 0.1, math.ceil(rate * seconds)) * np.linspace(0.001, 1, math.ceil(rate * seconds))
    assert loudness(samples, rate) == pytest.approx(integrated_loudness(samples, rate), abs=1e-6)


def test_silence_and_nan_do_no_harm(tmp_path):
    silence = np.zeros(16000, np.float32)
    assert loudness(silence, 16000) == -math.inf
    assert np.array_equal(normalise_loudness(silence, 16000), silence)
    broken = np.full(16000, np.nan, "<f4")
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 64000, b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32, b"data", 64000
    )
    (tmp_path / "nan.wav").write_bytes(header + broken.tobytes())
    assert np.isfinite(decode_mono(tmp_path / "nan.wav")).all()
    assert audio_problem(tmp_path / "nan.wav", 0.4, 200) == ""
    assert waveform(tmp_path / "nan.wav", 4) == [0, 0, 0, 0]


def test_the_mean_of_the_channels_is_taken(tmp_path):
    left = (np.sin(np.arange(16000) / 20) * 8000).astype(np.int16)
    path = wav(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 16000)
    assert np.abs(decode_mono(path) - left / 65536).max() < 1e-6


def test_sound_is_measured_not_believed(tmp_path):
    path = tone(tmp_path / "a.mp3", 3.3, "-b:a", "64k")
    info = probe_audio(path)
    assert info.duration_s == pytest.approx(3.3, abs=0.03)
    assert (info.sample_rate, info.channels) == (44100, 1)
    assert len(decode_mono(path)) == math.ceil(round(info.duration_s * 44100) * 16000 / 44100)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.m4a", "a.opus", "a.aac", "a.aiff"])
def test_every_kind_of_sound_is_read(tmp_path, name):
    path = tone(tmp_path / name, 2, rate=48000)
    assert audio_problem(path, 0.4, 200) == ""
    assert len(decode_mono(path)) == pytest.approx(32000, abs=1100)


def test_refusals_each_have_their_own_words(tmp_path):
    whole = SAMPLES / "voice.mp3"
    (tmp_path / "cut.mp3").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text.mp3").write_text("words, no sound\n" * 99)
    h264(tmp_path / "mute.mp4", moving(10))
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", 1, tmp_path / "picture.png")
    (tmp_path / "notes.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:09.000\nhello\n")
    expected = {
        tone(tmp_path / "short.wav", 0.2): "0.20 s: at least 0.4 s",
        tone(tmp_path / "long.flac", 201, rate=8000): "201.0 s: at most 200 s; use a part of it",
        tmp_path / "cut.mp3": "cut off",
        tmp_path / "text.mp3": "not a recording",
        tmp_path / "mute.mp4": "video without sound",
        tmp_path / "picture.png": "is a picture",
        tmp_path / "missing.mp3": "no such file",
    }
    messages = {path: audio_problem(path, 0.4, 200) for path in expected}
    for path, words in expected.items():
        assert words in messages[path], messages[path]
    assert len(set(messages.values())) == len(messages)
    assert audio_problem(tone(tmp_path / "limit.flac", 200, rate=8000), 0.4, 200) == ""


def test_the_sound_of_a_film_may_end_before_its_picture(tmp_path):
    picture, sound, both = h264(tmp_path / "p.mp4", moving(72)), tone(tmp_path / "s.wav", 1), tmp_path / "both.mp4"
    ffmpeg("-i", picture, "-i", sound, "-c:v", "copy", "-c:a", "aac", both)
    assert audio_problem(both, 0.4, 200) == ""


def test_a_waveform_follows_the_sound(tmp_path):
    samples = np.zeros(16000, np.int16)
    samples[8000:12000] = 16384
    peaks = waveform(wav(tmp_path / "a.wav", samples, 16000), 4)
    assert len(peaks) == 4
    assert peaks[2] == pytest.approx(0.5, abs=0.15)
    assert max(peaks[0], peaks[3]) < 0.15

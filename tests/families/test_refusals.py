"""What extension and avatar refuse from the shell: each input its own sentence, nothing printed, nothing queued."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.demo.checkpoints import __file__ as demo_file
from tests.cli.conftest import Call
from tests.media.films import ffmpeg, film, h264, moving, tone

Cli = Callable[..., Call]
Make = Callable[[Path], Path]
SAMPLES = Path(demo_file).parent / "samples"
BASE = ("generate", "--profile", "demo", "--prompt", "on")
VIDEO, PORTRAIT, VOICE = SAMPLES / "clip.mp4", SAMPLES / "astronaut.jpg", SAMPLES / "voice.mp3"


def picture(folder: Path) -> Path:
    path = folder / "still.png"
    Image.new("RGB", (64, 48), (200, 30, 60)).save(path)
    return path


def text(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("no film\n" * 99)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def only_sound(folder: Path) -> Path:
    return tone(folder / "song.m4a", 2)


def truncated(folder: Path) -> Path:
    whole = h264(folder / "whole.mp4", moving(48)).read_bytes()
    path = folder / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 7 // 10])
    return path


def short(frames: int) -> Make:
    return lambda folder: h264(folder / "short.mp4", moving(frames))


def ribbon(folder: Path) -> Path:
    return film(folder / "ribbon.mkv", np.zeros((2, 20, 20000, 3), dtype=np.uint8))


VIDEOS: dict[str, tuple[Make, str]] = {
    "picture": (picture, "still.png: is a picture, not a video"),
    "text": (text, "notes.mp4: not a video that ffmpeg can read"),
    "no video stream": (only_sound, "song.m4a: has no video stream, only sound"),
    "0 bytes": (empty, "empty.mp4: the file is empty"),
    "no index": (truncated, "cut.mp4: cut off or never finished: its index (moov) is missing"),
    "24 frames": (short(24), "short.mp4: 25 frames at 24 fps are needed, the video has 24 (1.00 s)"),
    "20000x20": (ribbon, "ribbon.mkv: the video is 20000x20: one side may be at most 40 times the other"),
    "missing": (lambda folder: folder / "nowhere.mp4", "nowhere.mp4: no such file"),
    "folder": (lambda folder: folder, "is a directory"),
}


def refused(cli: Cli, *words: object) -> str:
    """Run `generate`; return its only line of complaint."""
    call = cli(*BASE, *words)
    assert (call.code, call.out, len(call.errors)) == (2, "", 1), call
    assert cli("list", "--json").data == []
    return call.errors[0].removeprefix("skyreels-tui: ")


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_that_cannot_go_on(cli: Cli, tmp_path: Path, name: str) -> None:
    make, words = VIDEOS[name]
    message = refused(cli, "--task_type", "single_shot_extension", "--input_video", make(tmp_path))
    assert message.startswith("input_video: ")
    assert words in message


@pytest.mark.parametrize(
    ("task", "seconds", "words"),
    [
        ("single_shot_extension", 4, "4 s is outside 5 to 30 s"),
        ("single_shot_extension", 31, "31 s is outside 5 to 30 s"),
        ("shot_switching_extension", 1, "1 s is outside 2 to 5 s"),
        ("shot_switching_extension", 6, "6 s is outside 2 to 5 s"),
    ],
)
def test_a_length_the_model_cannot_make(cli: Cli, task: str, seconds: int, words: str) -> None:
    assert refused(cli, "--task_type", task, "--input_video", VIDEO, "--duration", seconds) == f"duration: {words}"


def test_a_longer_shot_needs_more_frames(cli: Cli, tmp_path: Path) -> None:
    words = ("--task_type", "shot_switching_extension", "--input_video", short(32)(tmp_path), "--duration")
    assert "33 frames at 24 fps are needed, the video has 32" in refused(cli, *words, 5)
    assert cli("add", *BASE[1:], *words, 4).code == 0


def no_sound(folder: Path) -> Path:
    return h264(folder / "mute.mp4", moving(25))


def truncated_sound(folder: Path) -> Path:
    whole = tone(folder / "whole.mp3", 4).read_bytes()
    path = folder / "cut.mp3"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def text_sound(folder: Path) -> Path:
    path = folder / "notes.mp3"
    path.write_text("no sound\n" * 99)
    return path


VOICES: dict[str, tuple[Make, str]] = {
    "0.2 s": (lambda folder: tone(folder / "a.wav", 0.2), "a.wav: the sound lasts 0.20 s: at least 0.4 s are needed"),
    "201 s": (
        lambda folder: tone(folder / "long.wav", 201, rate=8000),
        "long.wav: the sound lasts 201.0 s: at most 200 s; use a part of it",
    ),
    "no sound": (no_sound, "mute.mp4: is a video without sound"),
    "text": (text_sound, "notes.mp3: not a recording that ffmpeg can read"),
    "cut off": (truncated_sound, "cut.mp3: cut off: its header promises"),
    "picture": (picture, "still.png: is a picture, not a recording"),
    "0 bytes": (empty, "empty.mp4: the file is empty"),
}


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_nobody_can_speak(cli: Cli, tmp_path: Path, name: str) -> None:
    make, words = VOICES[name]
    message = refused(cli, "--task_type", "talking_avatar", "--input_image", PORTRAIT, "--input_audio", make(tmp_path))
    assert message.startswith("input_audio: ")
    assert words in message


def dot(folder: Path) -> Path:
    path = folder / "dot.png"
    Image.new("RGB", (1, 1)).save(path)
    return path


def cut_picture(folder: Path) -> Path:
    path = folder / "cut.png"
    Image.effect_noise((200, 200), 90).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def vast(folder: Path) -> Path:
    path = folder / "vast.png"
    Image.new("1", (10100, 10000)).save(path)
    return path


PORTRAITS: dict[str, tuple[Make, str]] = {
    "one pixel": (dot, "dot.png: the picture is 1x1: each side needs at least 16 pixels"),
    "cut off": (cut_picture, "cut.png: the picture is damaged or cut off"),
    "over 100 megapixels": (vast, "vast.png: the picture has over 100 megapixels"),
    "text": (text_sound, "notes.mp3: not a picture but a text"),
    "missing": (lambda folder: folder / "nowhere.png", "nowhere.png: no such file"),
    "folder": (lambda folder: folder, "is a directory"),
}


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_portrait_nobody_can_see(cli: Cli, tmp_path: Path, name: str) -> None:
    make, words = PORTRAITS[name]
    message = refused(cli, "--task_type", "talking_avatar", "--input_image", make(tmp_path), "--input_audio", VOICE)
    assert message.startswith("input_image: ")
    assert words in message


def test_an_avatar_has_no_540p_and_the_refusal_says_why(cli: Cli) -> None:
    words = ("--task_type", "talking_avatar", "--input_image", PORTRAIT, "--input_audio", VOICE)
    message = refused(cli, *words, "--resolution", "540P")
    assert message == "resolution: this model was not trained at 540P: choose 480P or 720P"


def test_silence_and_broken_samples_are_no_reason_to_refuse(cli: Cli, tmp_path: Path) -> None:
    silence, broken = tmp_path / "silence.wav", tmp_path / "nan.wav"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1", silence)
    samples = np.full(16000, np.nan, dtype="<f4")
    ffmpeg("-f", "f32le", "-ar", 16000, "-ac", 1, "-i", "pipe:0", "-c:a", "pcm_f32le", broken, feed=samples.tobytes())
    for voice in (silence, broken):
        words = ("--task_type", "talking_avatar", "--input_image", PORTRAIT, "--input_audio", voice)
        assert cli("add", *BASE[1:], *words).code == 0

"""Trims and channels from the shell: said, refused in words, carried along, and forgotten with their file."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.demo import checkpoints
from pipelines.tasks import task_named
from skyreels_tui.requests.forms import default_fields
from skyreels_tui.requests.presets import kept_values
from tests.cli.conftest import Call
from tests.media.films import film, moving

Cli = Callable[..., Call]
SAMPLES = Path(checkpoints.__file__).parent / "samples"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """3 s at 24 fps."""
    return film(tmp_path / "clip.mp4", moving(72, 48, 64), 24, "-c:v", "libx264", "-pix_fmt", "yuv420p")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """2 s in two channels."""
    rate = 22050
    time = np.arange(2 * rate) / rate
    tones = np.stack([0.3 * np.sin(2 * np.pi * f * time) for f in (200, 300)], axis=1)
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tones * 32767).astype("<i2").tobytes())
    return tmp_path / "voice.wav"


def avatar(voice: Path, *more: object) -> tuple[object, ...]:
    return ("--task_type", "talking_avatar", "--prompt", "she speaks", "--profile", "demo",
            "--input_image", SAMPLES / "astronaut.jpg", "--input_audio", voice, *more)  # fmt: skip


def extension(clip: Path, *more: object) -> tuple[object, ...]:
    return ("--task_type", "single_shot_extension", "--prompt", "on", "--profile", "demo", "--input_video", clip, *more)


def request_of(cli: Cli, job: int = 1) -> dict[str, object]:
    found: dict[str, object] = cli("show", job, "--json").data["request"]
    return found


def test_what_is_used_and_what_is_cut_is_said(cli: Cli, clip: Path, voice: Path) -> None:
    call = cli("add", *extension(clip, "--trim_start", "0.5", "--trim-end", "2.5"))
    assert call.code == 0 and call.out == "1\n"
    assert "uses frames 13 to 60 of 72, 0.500 to 2.500 s of 3.000 s" in call.err
    assert "cuts the first 0.500 s\ncuts the last 0.500 s\n" in call.err
    call = cli("add", *avatar(voice, "--trim_end", "1.25", "--voice_channel", "right"))
    assert "uses 0.000 to 1.250 s of 2.000 s" in call.err and "right channel alone" in call.err
    shown = cli("show", 2).out
    assert "cuts the last 0.750 s" in shown and "cuts the first" not in shown and "trim_end: 1.25" in shown
    assert cli("add", *avatar(voice)).err == ""
    assert "cuts" not in cli("show", 3).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--trim_start", "2", "--trim_end", "1"), "trim_end: the end, 1 s, is not behind the start, 2 s"),
        (("--trim_start", "3"), "trim_start: clip.mp4: lasts 3.000 s: it cannot start at 3 s"),
        (("--trim_end", "4.5"), "trim_end: clip.mp4: lasts 3.000 s: it cannot end at 4.5 s"),
        (("--trim_start", "2.5"), "trim_start: clip.mp4: 25 frames at 24 fps are needed, start to end holds 12"),
        (("--trim_start", "2.5", "--raw_frames"), "trim_start: clip.mp4: 25 frames are needed, start to end holds 12"),
        (("--trim_start", "-1"), "trim_start: -1.0 s is outside 0 to 86400 s"),
        (("--trim_start", "nan"), "trim_start: "),
        (("--trim_end", "soon"), "trim_end: 'soon' is not a number"),
        (("--voice_channel", "left"), "voice_channel: single_shot_extension has no such field"),
    ],
)
def test_a_video_that_cannot_be_cut_so_is_refused(cli: Cli, clip: Path, words: tuple[str, ...], said: str) -> None:
    call = cli("add", *extension(clip, *words))
    assert (call.code, call.out) == (2, "") and said in call.err
    assert cli("list", "--json").data == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--trim_start", "1.8"), "trim_start: voice.wav: start to end lasts 0.200 s"),
        (("--trim_end", "2.01"), "trim_end: voice.wav: lasts 2.000 s: it cannot end at 2.01 s"),
        (("--voice_channel", "middle"), "voice_channel: 'middle' is not offered: choose mix, left, right"),
        (
            ("--input_audio", SAMPLES / "voice.mp3", "--voice_channel", "left"),
            "voice_channel: voice.mp3: has one channel",
        ),
    ],
)
def test_a_recording_that_cannot_be_cut_so_is_refused(cli: Cli, voice: Path, words: tuple[str, ...], said: str) -> None:
    given = avatar(voice, *words)
    if "--input_audio" in words:
        given = (*given[: given.index("--input_audio")], *words)
    call = cli("add", *given)
    assert (call.code, call.out) == (2, "") and said in call.err


def test_copies_batches_and_another_try_carry_them(cli: Cli, clip: Path, voice: Path, tmp_path: Path) -> None:
    cli("add", *extension(clip, "--trim_start", "0.5", "--trim_end", "2.5"), "--batch", "night")
    cli("add", *avatar(voice, "--trim_start", "0.3", "--voice_channel", "left"), "--batch", "night")
    first, second = request_of(cli, 1), request_of(cli, 2)
    assert cli("duplicate", 2, "--seeds", "7").out == "3\n"
    assert request_of(cli, 3) == {**second, "seed": 7}
    for name in ("again.json", "again.md"):
        assert cli("export", "--batch", "night", "--file", tmp_path / name).code == 0
        ids = cli("import", tmp_path / name).out.split()
        assert [request_of(cli, int(one)) for one in ids][:2] == [first, second]
    cli("cancel", 1)
    again = int(cli("retry", 1).out.split()[0])
    assert request_of(cli, again) == first
    bad = [{"task_type": "single_shot_extension", "prompt": "x", "profile": "demo", "resolution": "128P",
            "input_video": str(clip), "trim_start": 2, "trim_end": 1}]  # fmt: skip
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    call = cli("import", tmp_path / "bad.json")
    assert call.code == 2 and "entry 1.trim_end: the end, 1 s, is not behind the start, 2 s" in call.err


def test_another_file_is_used_whole(cli: Cli, clip: Path, tmp_path: Path) -> None:
    cli("add", *extension(clip, "--trim_start", "0.5", "--trim_end", "2.5"))
    assert cli("edit", 1, "--prompt", "other words").code == 0
    assert request_of(cli)["trim_start"] == 0.5
    other = shutil.copy(clip, tmp_path / "other.mp4")
    assert cli("edit", 1, "--input_video", other).code == 0
    assert (request_of(cli)["trim_start"], request_of(cli)["trim_end"]) == (0.0, 0.0)
    assert cli("edit", 1, "--input_video", clip, "--trim_end", "2").code == 0
    assert (request_of(cli)["trim_start"], request_of(cli)["trim_end"]) == (0.0, 2.0)


def test_they_are_no_defaults_of_a_task(cli: Cli) -> None:
    for name, value in (("talking_avatar.trim_start", "1"), ("talking_avatar.voice_channel", "left")):
        call = cli("settings", "set", f"defaults.{name}", value)
        assert call.code == 2 and "is about the file in input_audio" in call.err


def test_defaults_written_by_hand_cut_nothing(cli: Cli, clip: Path) -> None:
    cli("settings", "set", "defaults.single_shot_extension.duration", "7")
    path = Path(cli("settings", "path").out.strip())
    path.write_text(path.read_text() + "trim_start = 1.0\n")
    assert cli("add", *extension(clip)).code == 0
    assert (request_of(cli)["duration"], request_of(cli)["trim_start"]) == (7, 0.0)


def test_a_scene_of_a_film_carries_them(cli: Cli, clip: Path, tmp_path: Path) -> None:
    scene = {"label": "a", "task_type": "single_shot_extension", "prompt": "x", "profile": "demo", "resolution": "128P",
             "input_video": str(clip), "trim_start": 0.5, "trim_end": 2.5}  # fmt: skip
    (tmp_path / "ep.json").write_text(json.dumps([scene]))
    assert cli("film", "import", tmp_path / "ep.json").code == 0
    shown = cli("film", "show", "ep", "--json").data
    assert shown["scenes"][0]["request"]["trim_end"] == 2.5
    assert cli("film", "run", "ep").code == 0
    assert (request_of(cli)["trim_start"], request_of(cli)["trim_end"]) == (0.5, 2.5)


def test_what_waits_for_another_job_is_still_refused_when_it_ends_before_it_starts(cli: Cli, clip: Path) -> None:
    cli("add", *extension(clip), "--label", "first")
    call = cli("add", *extension(clip)[:-1], "{{job:first}}", "--trim_start", "2", "--trim_end", "1")  # type: ignore[arg-type]
    assert call.code == 2 and "trim_end: the end, 1 s, is not behind the start, 2 s" in call.err
    assert cli("add", *extension(clip)[:-1], "{{job:first}}", "--trim_start", "2").code == 0


def test_a_preset_keeps_them_with_their_file_alone(clip: Path) -> None:
    values = {"prompt": "x", "input_video": (str(clip),), "trim_start": 1.5, "trim_end": 0.0}
    assert kept_values("single_shot_extension", values)["trim_start"] == 1.5
    alone = kept_values("single_shot_extension", {**values, "input_video": ()})
    assert "trim_start" not in alone and alone["prompt"] == "x"
    task = task_named("single_shot_extension")
    assert default_fields(task, {**values, "duration": 7}) == {"duration": 7}

"""A joined film, measured: frames, narration, music under speech, loudness, chapters, subtitles, copied pictures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.front.errors import Cancelled, InvalidRequest, MediaError
from pipelines.front.progress import Progress, Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.joining.join import generate
from pipelines.joining.layout import lay_out
from pipelines.media.ffmpeg import ffmpeg_path
from pipelines.media.read.probe import probe_video
from pipelines.media.write.publish import read_metadata
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.film import FilmJoin
from tests.loudness import integrated_loudness
from tests.media.films import ffmpeg, moving, tone

FPS = 24
RATE = 48000
SPEECH_HZ, MUSIC_HZ = 1500, 220


def clip(path: Path, frames: int, *, size: tuple[int, int] = (96, 64), step: int = 0) -> Path:
    """A clip as our own pipelines write one."""
    with VideoWriter(path, *size, FPS) as writer:
        writer.write(moving(frames + step, size[1], size[0])[step:])
    return path


def speech(path: Path, seconds: float) -> Path:
    """A sound that is in one band and begins at once."""
    return tone(path, seconds, "-af", "volume=0.5", rate=RATE, frequency=SPEECH_HZ)


def music(path: Path, seconds: float, gain: float = 1.0) -> Path:
    return tone(path, seconds, "-af", f"volume={gain}", rate=44100, frequency=MUSIC_HZ)


def decoded(path: Path) -> np.ndarray:
    """The sound as a player plays it: [samples, 2]."""
    words = [ffmpeg_path(), "-v", "error", "-i", path, "-map", "0:a:0", "-f", "f32le", "-ac", "2", "-ar", RATE, "-"]
    done = subprocess.run(list(map(str, words)), capture_output=True, timeout=60, check=True)
    return np.frombuffer(done.stdout, dtype="<f4").reshape(-1, 2)


def band(samples: np.ndarray, hz: float) -> np.ndarray:
    """What is heard around a frequency."""
    # Brings a second of imports, which most workers of a run need not spend.
    from scipy.signal import butter, sosfiltfilt

    sos = butter(4, (hz * 0.8, hz * 1.25), "bandpass", fs=RATE, output="sos")
    return sosfiltfilt(sos, samples[:, 0].astype(np.float64))


def level(samples: np.ndarray) -> float:
    """RMS in dB."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples))) + 1e-12))


def packets(path: Path) -> list[tuple[str, str]]:
    """Size and checksum of every stored frame."""
    words = [ffmpeg_path(), "-v", "error", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
    done = subprocess.run(list(map(str, words)), capture_output=True, timeout=60, check=True, text=True)
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    return [(row[4].strip(), row[5].strip()) for row in rows]


def told(path: Path) -> str:
    """What ffmpeg says of a file: streams and chapters."""
    return subprocess.run([str(ffmpeg_path()), "-i", str(path)], capture_output=True, text=True, timeout=30).stderr


def chapters(path: Path) -> list[tuple[float, float, str]]:
    found = re.findall(r"Chapter #0:\d+: start ([\d.]+), end ([\d.]+)\n\s+Metadata:\n\s+title\s+: (.*)", told(path))
    return [(float(start), float(end), title) for start, end, title in found]


def cues(text: str) -> list[tuple[float, float, str]]:
    stamp = r"(\d+):(\d+):(\d+),(\d+)"
    found = re.findall(rf"{stamp} --> {stamp}\n(.*?)\n(?:\n|$)", text + "\n", re.DOTALL)

    def seconds(parts: Sequence[str]) -> float:
        hours, minutes, whole, thousandths = map(int, parts)
        return 3600 * hours + 60 * minutes + whole + thousandths / 1000

    return [(seconds(one[:4]), seconds(one[4:8]), one[8]) for one in found]


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., Path]:
    """Joins for real and returns the film's path."""

    def run(request: FilmJoin, report: Callable[[Progress], None] = ignore_progress) -> Path:
        runtime = Runtime("cpu", tmp_path, tmp_path / "work", tmp_path / "result", "ep01", Path(), {"label": "ep01"})
        return generate(request, runtime, None, report).path

    return run


SCENES = 12
SPOKEN = (0, 1, 3, 4, 6, 7, 9, 10)
FRAMES = [36 + 6 * (n % 4) for n in range(SCENES)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Twelve clips, narration on eight, music shorter than the film."""
    folder = tmp_path_factory.mktemp("parts")
    clips = [clip(folder / f"c{n:02d}.mp4", count, step=3 * n) for n, count in enumerate(FRAMES)]
    voices = [speech(folder / f"v{n}.wav", 0.9) if n in SPOKEN else None for n in range(SCENES)]
    under = music(folder / "music.mp3", 4.0, 0.9)
    return {"clips": clips, "voices": voices, "music": under}


@pytest.fixture(scope="module")
def film(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[FilmJoin, Path]:
    folder = tmp_path_factory.mktemp("film")
    request = FilmJoin(
        film="ep01",
        title="Episode one",
        clips=tuple(map(str, parts["clips"])),
        labels=tuple(f"scene {n}; a=b" for n in range(SCENES)),
        narrations=tuple("" if voice is None else str(voice) for voice in parts["voices"]),
        words=tuple(f"Words of scene {n}, é" if n in SPOKEN else "" for n in range(SCENES)),
        music=str(parts["music"]),
    )
    assert request.check() == []
    runtime = Runtime("cpu", folder, folder / "work", folder / "result", "ep01", Path(), {"label": "ep01"})
    return request, generate(request, runtime, None, ignore_progress).path


def starts() -> list[float]:
    return [sum(FRAMES[:n]) / FPS for n in range(SCENES)]


def test_frames_are_the_sum_and_copied_byte_for_byte(parts: dict[str, Any], film: tuple[FilmJoin, Path]) -> None:
    _, path = film
    info = probe_video(path)
    assert info.num_frames == sum(FRAMES) and abs(info.duration_s - sum(FRAMES) / FPS) < 1 / FPS
    assert packets(path) == [packet for one in parts["clips"] for packet in packets(one)]


def test_narration_starts_within_a_frame_of_its_scene(film: tuple[FilmJoin, Path]) -> None:
    voice = np.abs(band(decoded(film[1]), SPEECH_HZ))
    loud = voice > 0.1 * voice.max()
    for n in SPOKEN:
        first = round((starts()[n] - 0.4) * RATE) if n else 0
        begins = (max(first, 0) + int(np.argmax(loud[max(first, 0) :]))) / RATE
        if n - 1 not in SPOKEN:
            assert abs(begins - starts()[n]) < 1 / FPS, n


def test_music_is_well_below_speech_where_both_sound(film: tuple[FilmJoin, Path]) -> None:
    sound = decoded(film[1])
    voice, under = band(sound, SPEECH_HZ), band(sound, MUSIC_HZ)
    for n in SPOKEN:
        part = slice(round((starts()[n] + 0.2) * RATE), round((starts()[n] + 0.8) * RATE))
        assert level(voice[part]) - level(under[part]) >= 11, n
        assert level(under[part]) > -70, "it is still there"
    # Where nobody speaks it comes up again.
    quiet = slice(round((starts()[2] + 0.7) * RATE), round((starts()[3] - 0.1) * RATE))
    spoken = slice(round((starts()[3] + 0.3) * RATE), round((starts()[3] + 0.8) * RATE))
    assert level(under[quiet]) - level(under[spoken]) > 5


def test_music_fills_the_film_and_fades_at_both_ends(film: tuple[FilmJoin, Path]) -> None:
    under = band(decoded(film[1]), MUSIC_HZ)
    parts = [under[round(one * RATE) : round((one + 0.1) * RATE)] for one in (0.0, starts()[8] + 1.0)]
    assert level(parts[1]) - level(parts[0]) > 10
    assert level(parts[1]) - level(under[-round(0.1 * RATE) :]) > 10
    # It is four seconds long: looped, it is never away for long.
    for second in range(2, int(sum(FRAMES) / FPS) - 2):
        assert level(under[second * RATE : (second + 1) * RATE]) > -60, second


def test_loudness_and_peak(film: tuple[FilmJoin, Path]) -> None:
    sound = decoded(film[1])
    assert abs(integrated_loudness(sound.astype(np.float64), RATE) + 16) <= 1
    four_times = np.stack([np.interp(np.arange(0, len(sound), 0.25), np.arange(len(sound)), sound[:, 0])])
    assert 20 * np.log10(np.abs(four_times).max()) < -1
    words = [str(ffmpeg_path()), "-i", str(film[1]), "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60).stderr
    assert float(re.findall(r"Peak:\s+(-?[\d.]+) dBFS", said)[-1]) < -1


def test_chapters_stand_at_the_scene_starts(film: tuple[FilmJoin, Path]) -> None:
    found = chapters(film[1])
    assert [title for *_, title in found] == [f"scene {n}; a=b" for n in range(SCENES)]
    for (start, end, _), wanted, after in zip(found, starts(), [*starts()[1:], sum(FRAMES) / FPS], strict=True):
        assert abs(start - wanted) < 1e-3 and abs(end - after) < 1e-3


def test_subtitles_are_beside_it_and_in_it(film: tuple[FilmJoin, Path], tmp_path: Path) -> None:
    beside = film[1].with_suffix(".srt").read_text("utf-8")
    inside = tmp_path / "inside.srt"
    ffmpeg("-i", film[1], "-map", "0:s:0", inside)
    for text in (beside, inside.read_text("utf-8")):
        found = cues(text)
        assert [words for *_, words in found] == [f"Words of scene {n}, é" for n in SPOKEN]
        for (start, end, _), n in zip(found, SPOKEN, strict=True):
            assert abs(start - starts()[n]) < 1 / FPS and abs(end - starts()[n] - 0.9) < 1 / FPS


def test_the_recipe_and_the_sidecar_say_what_it_is_made_of(film: tuple[FilmJoin, Path]) -> None:
    request, path = film
    recipe = read_metadata(path)
    assert recipe["task"] == "films" and FilmJoin.from_dict(recipe["request"]) == request
    assert path.parent.name == "films" and path.with_suffix(".json").is_file()
    assert re.search(r"title\s+: Episode one", told(path))


# Narration longer than its clip


@pytest.fixture
def overlong(tmp_path: Path) -> FilmJoin:
    clips = [clip(tmp_path / f"o{n}.mp4", 24, step=5 * n) for n in range(2)]
    return FilmJoin(
        film="o",
        clips=tuple(map(str, clips)),
        labels=("a", "b"),
        narrations=(str(speech(tmp_path / "long.wav", 1.5)), ""),
    )


def test_the_last_frame_is_held_for_it(join: Callable[..., Path], overlong: FilmJoin) -> None:
    layout = lay_out(overlong)
    assert layout.remarks == ("scene 1 (a): its last frame is held for 0.5 s",) and layout.copied
    path = join(overlong)
    assert probe_video(path).num_frames == 24 + 12 + 24
    kept = packets(path)
    assert kept[:24] == packets(Path(overlong.clips[0])) and kept[36:] == packets(Path(overlong.clips[1]))
    voice = np.abs(band(decoded(path), SPEECH_HZ)) > 0.05
    assert abs(voice.nonzero()[0][-1] / RATE - 1.5) < 2 / FPS
    assert [round(start, 2) for start, *_ in chapters(path)] == [0.0, 1.5]


def test_or_it_runs_on_into_the_next_scene(join: Callable[..., Path], overlong: FilmJoin) -> None:
    request = replace(overlong, overlong="run_on")
    assert lay_out(request).remarks == ("scene 1 (a): its narration runs 0.5 s into the next scene",)
    path = join(request)
    assert probe_video(path).num_frames == 48
    voice = np.abs(band(decoded(path), SPEECH_HZ)) > 0.05
    assert abs(voice.nonzero()[0][-1] / RATE - 1.5) < 2 / FPS
    # There is no next scene after the last one.
    last = replace(request, narrations=("", overlong.narrations[0]))
    assert probe_video(join(last)).num_frames == 48 + 12


def test_or_it_is_refused(join: Callable[..., Path], overlong: FilmJoin) -> None:
    with pytest.raises(MediaError, match=r"scene 1 \(a\).*0\.5 s longer"):
        join(replace(overlong, overlong="refuse"))


# Pictures that differ


def test_other_sizes_get_bars_and_it_is_said_beforehand(join: Callable[..., Path], tmp_path: Path) -> None:
    clips = [clip(tmp_path / f"w{n}.mp4", 12) for n in range(2)]
    clips.append(clip(tmp_path / "tall.mp4", 12, size=(48, 96)))
    request = FilmJoin(film="w", clips=tuple(map(str, clips)))
    [remark] = lay_out(request).remarks
    assert "96x64" in remark and "1 clip" in remark
    info = probe_video(join(request))
    assert (info.width, info.height, info.num_frames) == (96, 64, 36)


def test_scenes_blend_over_a_cross_fade(join: Callable[..., Path], tmp_path: Path) -> None:
    clips = [clip(tmp_path / f"x{n}.mp4", 24, step=n) for n in range(3)]
    request = FilmJoin(film="x", clips=tuple(map(str, clips)), cross_fade=6, labels=("a", "b", "c"))
    path = join(request)
    assert probe_video(path).num_frames == 3 * 24 - 2 * 6
    assert [round(start * FPS) for start, *_ in chapters(path)] == [0, 18, 36]
    with pytest.raises(MediaError, match="too short"):
        join(replace(request, cross_fade=12))


# Sound of the clips, music of a scene, nothing at all


@pytest.mark.parametrize("seconds", [3, 14, 40])
def test_chapters_stand_at_long_scenes_too(join: Callable[..., Path], tmp_path: Path, seconds: int) -> None:
    """A scene may be longer than a clip of our own, and hours longer than what a track's ticks can count."""
    counts = (24, seconds * FPS, 24, 24)
    clips = [clip(tmp_path / f"l{n}.mp4", count) for n, count in enumerate(counts)]
    words = ("The first words", "", "Words after a long while", "")
    film = join(FilmJoin(film="l", clips=tuple(map(str, clips)), labels=tuple("abcd"), words=words))
    begins = [sum(counts[:n]) / FPS for n in range(4)]
    found = chapters(film)
    assert [title for *_, title in found] == list("abcd")
    assert all(abs(start - begin) < 1e-3 for (start, *_), begin in zip(found, begins, strict=True))
    assert all(abs(end - begin) < 1e-3 for (_, end, _), begin in zip(found, begins[1:], strict=False))


def test_sound_of_a_clip_stays_with_its_picture(join: Callable[..., Path], tmp_path: Path) -> None:
    silent, voiced = clip(tmp_path / "s.mp4", 24), tmp_path / "voiced.mp4"
    voice = speech(tmp_path / "own.wav", 1.0)
    ffmpeg("-i", silent, "-i", voice, "-c:v", "copy", "-c:a", "aac", voiced)
    path = join(FilmJoin(film="s", clips=(str(silent), str(voiced), str(silent))))
    heard = (np.abs(band(decoded(path), SPEECH_HZ)) > 0.05).nonzero()[0] / RATE
    assert abs(heard[0] - 1.0) < 1 / FPS and abs(heard[-1] - 2.0) < 2 / FPS


def test_music_of_one_scene_lies_under_it_alone(join: Callable[..., Path], tmp_path: Path) -> None:
    clips = [str(clip(tmp_path / f"m{n}.mp4", 48, step=n)) for n in range(3)]
    path = join(FilmJoin(film="m", clips=tuple(clips), music_of=("", str(music(tmp_path / "m.mp3", 0.7)), "")))
    under = band(decoded(path), MUSIC_HZ)
    inside = level(under[round(2.9 * RATE) : round(3.1 * RATE)])
    for second in (0.5, 5.0):
        assert inside - level(under[round(second * RATE) : round((second + 0.5) * RATE)]) > 40


def test_a_silent_film_has_no_sound(join: Callable[..., Path], tmp_path: Path) -> None:
    clips = (str(clip(tmp_path / "q.mp4", 12)),) * 2
    assert not probe_video(join(FilmJoin(film="q", clips=clips))).has_audio
    hush = tmp_path / "hush.wav"
    ffmpeg("-f", "lavfi", "-i", f"anullsrc=r={RATE}:d=0.4", hush)
    assert probe_video(join(FilmJoin(film="q", clips=clips, narrations=(str(hush), "")))).num_frames == 24


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_quiet_and_loud_music_come_out_alike(join: Callable[..., Path], tmp_path: Path, gain: float) -> None:
    one = str(clip(tmp_path / "g.mp4", 96))
    voice = str(speech(tmp_path / "g.wav", 2.0))
    path = join(FilmJoin(film="g", clips=(one,), narrations=(voice,), music=str(music(tmp_path / "g.mp3", 1.0, gain))))
    sound = decoded(path)
    part = slice(round(1.2 * RATE), round(1.8 * RATE))
    below = level(band(sound, SPEECH_HZ)[part]) - level(band(sound, MUSIC_HZ)[part])
    assert 11 <= below < 45
    assert abs(integrated_loudness(sound.astype(np.float64), RATE) + 16) <= 1


# Stopping, beginning again, refusing


@pytest.mark.parametrize("stage", [Stage.LOAD, Stage.DECODE, Stage.WRITE])
def test_a_cancelled_join_leaves_nothing_and_can_be_done_again(
    join: Callable[..., Path], overlong: FilmJoin, tmp_path: Path, stage: Stage
) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage is stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        join(overlong, stop)
    assert [path.name for path in (tmp_path / "result" / "films").glob("*")] == []
    path = join(overlong)
    # Once is enough: where the first try stopped is forgotten by then.
    assert stage is not Stage.WRITE or join(overlong) == path, "the same job writes the same file"
    assert sorted(one.name for one in path.parent.iterdir()) == ["ep01.json", "ep01.mp4"]


def test_progress_names_the_scene(join: Callable[..., Path], overlong: FilmJoin) -> None:
    seen: list[Progress] = []
    join(overlong, seen.append)
    assert seen[0].stage is Stage.LOAD and seen[-1].stage is Stage.WRITE
    assert {one.num_steps for one in seen if one.stage is Stage.DECODE} == {2}


def test_what_cannot_be_joined_is_refused_by_name(tmp_path: Path) -> None:
    good = str(clip(tmp_path / "a.mp4", 12))
    bad = tmp_path / "b.mp4"
    bad.write_bytes(b"no film")
    request = FilmJoin(film="x", clips=(good, str(bad)), narrations=("", str(tmp_path / "none.wav")))
    fields = [problem.field for problem in request.check()]
    assert fields == ["clips", "narrations"]
    assert InvalidRequest(request.check())

"""The sound of a film: clips and narrations, music under them, ducked, faded and brought to one loudness."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipelines.front.documents import read_json
from pipelines.front.language import tr
from pipelines.joining.layout import FilmLayout, ScenePlace
from pipelines.media.ffmpeg import file_url, run
from pipelines.media.files import shown
from pipelines.media.read.probe import probe_audio
from pipelines.media.read.tracks import heard_stream
from pipelines.media.write.join import CONVERT_LIMIT_S, RATE, clip_samples

LOUDNESS_LUFS = -16.0
PEAK_DB = -2.0
"""Of the mix: encoding adds a little, and the film stays below -1.5 dB."""
SILENT_LUFS = -70.0
"""What the meter says of silence, and of less than it can measure."""
TOLERANCE_LU = 0.3
FADE_IN_S, FADE_OUT_S = 1.0, 2.0
DUCK: dict[str, Any] = {"threshold": 0.03, "ratio": 8, "attack": 15, "release": 350, "detection": "rms", "knee": 2}
"""Speech at the film's loudness takes about 10 dB off the music."""

Poll = Callable[[], None]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SoundLevel:
    """What ffmpeg measures of a track."""

    lufs: float
    peak_db: float
    range_lu: float
    threshold: float

    @property
    def is_silent(self) -> bool:
        """Nothing that could be brought to a loudness."""
        return self.lufs <= SILENT_LUFS


def make_sound(layout: FilmLayout, music_percent: int, bench: Path, poll: Poll, *, fade_frames: int = 0) -> Path | None:
    """Write the film's sound, as long as its picture, to a file in `bench`; None where nothing is to be heard."""
    total = _at(layout, layout.num_frames)
    has_voice = any(scene.clip.has_audio or scene.narration for scene in layout.scenes)
    has_music = music_percent > 0 and any(scene.music for scene in layout.scenes)
    if not has_voice and not has_music:
        return None
    voice = _write(bench / "voice.raw", total, _voices(layout, poll, fade_frames))
    mix = bench / "mix.wav"
    if has_music:
        music = _write(bench / "music.raw", total, _music(layout, bench, poll))
        _mix(voice, music, mix, total / RATE, music_percent, poll)
        music.unlink()
    else:
        _convert(_raw(voice), mix, poll)
    voice.unlink()
    return _level(mix, bench, poll)


def measure_loudness(path: Path, poll: Poll, *, raw: bool = False) -> SoundLevel:
    """Measure loudness and true peak of a sound file (or of our raw samples)."""
    track = (_raw(path) if raw else ffmpeg.input(file_url(path))["a:0"]).filter("loudnorm", print_format="json")
    done = run(
        track.output("pipe:1", f="null"),
        what=tr("measuring the sound"),
        time_limit_s=CONVERT_LIMIT_S,
        trusted=True,
        poll=poll,
    )
    found = re.search(r"\{[^{}]*\}", done.messages[done.messages.rfind("[Parsed_loudnorm") :])
    values = read_json(found.group(0)) if found else {}

    def value(name: str) -> float:
        number = float(values.get(name, "-inf"))
        return max(number, -99.0)

    return SoundLevel(value("input_i"), value("input_tp"), max(value("input_lra"), 0.0), value("input_thresh"))


# The two tracks, as samples


def _at(layout: FilmLayout, frame: int) -> int:
    """The sample with which a frame begins."""
    return round(frame / layout.fps * RATE)


def _voices(layout: FilmLayout, poll: Poll, fade_frames: int) -> Iterator[tuple[int, Samples]]:
    """Clips' own sound and narrations, each with the sample at which it begins."""
    fade = _at(layout, fade_frames)
    for number, scene in enumerate(layout.scenes):
        poll()
        first = _at(layout, scene.first_frame)
        if scene.clip.has_audio:
            length = _at(layout, scene.frames)
            heard = np.frombuffer(clip_samples(scene.clip, length), dtype="<i2").reshape(-1, 2)[:length]
            own: Samples = (heard / np.float32(32768)).astype(np.float32)
            yield first, _faded(own, fade if number else 0, fade if number + 1 < len(layout.scenes) else 0)
        if scene.narration is not None:
            yield first, _decoded(scene.narration, scene.narration_s, poll)


def _music(layout: FilmLayout, bench: Path, poll: Poll) -> Iterator[tuple[int, Samples]]:
    """Each stretch of scenes under the same music, filled by repeating it, faded at both ends."""
    for music, scenes in _stretches(layout):
        first = _at(layout, scenes[0].first_frame)
        end = _at(layout, scenes[-1].first_frame + scenes[-1].num_frames)
        seconds = (end - first) / RATE
        once = _decoded(Path(music), min(probe_audio(music).duration_s, seconds), poll)
        if not len(once):
            continue
        fade_in, fade_out = (round(min(limit, seconds / 4) * RATE) for limit in (FADE_IN_S, FADE_OUT_S))
        for start in range(first, end, len(once)):
            poll()
            part = once[: end - start].copy()
            _ramp(part, start - first, fade_in)
            _ramp(part[::-1], end - start - len(part), fade_out)
            yield start, part


def _stretches(layout: FilmLayout) -> list[tuple[str, list[ScenePlace]]]:
    found: list[tuple[str, list[ScenePlace]]] = []
    for scene in layout.scenes:
        if found and found[-1][0] == scene.music:
            found[-1][1].append(scene)
        else:
            found.append((scene.music, [scene]))
    return [(music, scenes) for music, scenes in found if music]


def _ramp(part: Samples, offset: int, length: int) -> None:
    """Raise a part that lies `offset` samples after the beginning of a ramp of `length`."""
    count = min(max(length - offset, 0), len(part))
    if count:
        part[:count] *= ((np.arange(count, dtype=np.float32) + offset) / length)[:, None]


def _faded(part: Samples, fade_in: int, fade_out: int) -> Samples:
    if fade_in or fade_out:
        part = part.copy()
        _ramp(part, 0, fade_in)
        _ramp(part[::-1], 0, fade_out)
    return part


def _decoded(path: Path, seconds: float, poll: Poll) -> Samples:
    """A recording as it is heard, from its beginning: [samples, 2]."""
    info = probe_audio(path)
    track: Any = heard_stream(info.path, info.track, info.late_s)
    if info.channel is not None:
        track = track.filter("pan", args=f"mono|c0=c{info.channel}")
    length = round(seconds * RATE)
    track = track.filter("aresample", RATE).filter("atrim", end_sample=length)
    stream = track.output("pipe:1", f="f32le", ac=2)
    done = run(stream, what=shown(path), time_limit_s=CONVERT_LIMIT_S, max_bytes=length * 8 + (1 << 20), poll=poll)
    whole = len(done.stdout) // 8 * 8
    samples = np.frombuffer(done.stdout[:whole], dtype="<f4").reshape(-1, 2)[:length]
    clean: Samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return clean


def _write(path: Path, total: int, parts: Iterator[tuple[int, Samples]]) -> Path:
    """Add parts into one raw file of `total` samples; what lies behind its end is left out."""
    with path.open("wb+") as file:
        file.truncate(total * 8)
        for first, part in parts:
            part = part[: max(total - first, 0)]
            file.seek(first * 8)
            there = np.frombuffer(file.read(len(part) * 8), dtype="<f4").reshape(-1, 2)
            file.seek(first * 8)
            file.write((there + part).astype("<f4").tobytes())
    return path


# What ffmpeg does to them


def _raw(path: Path) -> Any:
    return ffmpeg.input(file_url(path), f="f32le", ar=RATE, ac=2)["a:0"]


def _gain(meter: SoundLevel) -> float:
    """The factor that brings a track to the film's loudness; 1 for silence."""
    return 1.0 if meter.is_silent else float(10 ** ((LOUDNESS_LUFS - meter.lufs) / 20))


def _mix(voice: Path, music: Path, mix: Path, seconds: float, music_percent: int, poll: Poll) -> None:
    """Lay music under the voices: `music_percent` of their loudness, and less while somebody speaks."""
    speech = _raw(voice).filter("volume", _gain(measure_loudness(voice, poll, raw=True))).filter_multi_output("asplit")
    under = _raw(music).filter("volume", music_percent / 100 * _gain(measure_loudness(music, poll, raw=True)))
    ducked = ffmpeg.filter([under, speech[0]], "sidechaincompress", **DUCK)
    both = ffmpeg.filter([speech[1], ducked], "amix", inputs=2, normalize=0, duration="longest")
    _convert(both.filter("apad").filter("atrim", end_sample=round(seconds * RATE)), mix, poll)


def _level(mix: Path, bench: Path, poll: Poll) -> Path:
    """Bring the mix to the film's loudness in two passes, and once more where these have missed it."""
    meter = measure_loudness(mix, poll)
    if meter.is_silent:
        return mix
    levelled = bench / "sound.wav"
    track = ffmpeg.input(file_url(mix))["a:0"].filter(
        "loudnorm",
        I=LOUDNESS_LUFS,
        TP=PEAK_DB,
        LRA=min(max(meter.range_lu, 7.0), 50.0),
        measured_I=meter.lufs,
        measured_TP=meter.peak_db,
        measured_LRA=meter.range_lu,
        measured_thresh=meter.threshold,
        linear="true",
    )
    _convert(track, levelled, poll)
    for attempt in range(3):
        missed = LOUDNESS_LUFS - measure_loudness(levelled, poll).lufs
        if abs(missed) <= TOLERANCE_LU:
            break
        again = bench / f"sound-{attempt}.wav"
        louder = (
            ffmpeg.input(file_url(levelled))["a:0"].filter("volume", f"{missed:.3f}dB").filter("aresample", 192_000)
        )
        _convert(louder.filter("alimiter", limit=10 ** (PEAK_DB / 20), level=0), again, poll)
        levelled = again
    return levelled


def _convert(track: Any, path: Path, poll: Poll) -> None:
    # Some filters work at a rate of their own.
    stream = track.filter("aresample", RATE).output(file_url(path), f="wav", ar=RATE, ac=2, **{"c:a": "pcm_f32le"})
    run(stream, what=tr("mixing the sound"), time_limit_s=CONVERT_LIMIT_S, trusted=True, poll=poll)

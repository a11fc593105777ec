"""An episode of twelve scenes of all four tasks as a file tells it, and what is measured in the film made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.media.read.probe import probe_video
from tests.films.conftest import SAMPLES
from tests.films.test_join import MUSIC_HZ, RATE, SPEECH_HZ, band, chapters, cues, decoded, level, packets
from tests.loudness import integrated_loudness
from tests.media.films import tone

FPS = 24
TASKS = (
    "reference_to_video", "single_shot_extension", "shot_switching_extension",
    "reference_to_video", "talking_avatar", "reference_to_video",
    "single_shot_extension", "shot_switching_extension", "single_shot_extension",
    "reference_to_video", "talking_avatar", "shot_switching_extension",
)  # fmt: skip
LABELS = tuple(f"s{number:02d}" for number in range(1, 13))
SPOKEN = ("s01", "s02", "s03", "s04", "s06", "s07", "s08", "s10")
FAILS = "s06"
"""The scene that fails at first: two others go on from it."""
SPEAKS_S = 0.5
OWN_HZ = 600
"""What an avatar says, in a band of its own."""


def write_episode(root: Path) -> Path:
    """Write pictures, sounds and the film's file below `root`; returns the file."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLES / "astronaut.jpg", root / "hero.jpg")
    shutil.copy(SAMPLES / "astronaut.jpg", root / "fails.jpg")
    tone(root / "music.mp3", 4.0, "-af", "volume=0.9", rate=44100, frequency=MUSIC_HZ)
    tone(root / "own.wav", 1.0, "-af", "volume=0.3", rate=16000, frequency=OWN_HZ)
    for label in SPOKEN:
        tone(root / f"{label}.wav", SPEAKS_S, "-af", "volume=0.5", rate=RATE, frequency=SPEECH_HZ)
    file = root / "episode.json"
    jobs = [_entry(label, task) for label, task in zip(LABELS, TASKS, strict=True)]
    file.write_text(json.dumps({"name": "ep01", "project": "show", "jobs": jobs}))
    return file


def _entry(label: str, task: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "label": label, "task_type": task, "prompt": f"scene {label}", "resolution": "128P", "profile": "demo",
        "audio_bg": "music.mp3",
    }  # fmt: skip
    match task:
        case "reference_to_video":
            entry |= {"ref_imgs": ["fails.jpg" if label == FAILS else "hero.jpg"], "duration": 1}
            entry["num_inference_steps"] = 4
        case "talking_avatar":
            entry |= {"input_image": "hero.jpg", "input_audio": "own.wav", "num_inference_steps": 2}
        case "single_shot_extension":
            entry |= {"input_video": "{{prev}}", "duration": 5, "num_inference_steps": 4}
        case _:
            entry |= {"input_video": "{{prev}}", "duration": 2, "num_inference_steps": 4}
    if label in SPOKEN:
        entry |= {"input_audio": f"{label}.wav", "audio_text": f"Words of {label}"}
    return entry


def measure(film: Path, clips: Sequence[Path]) -> None:
    """Hold a joined film against the clips it is made of, in the order of the scenes."""
    frames = [probe_video(clip).num_frames for clip in clips]
    assert probe_video(film).num_frames == sum(frames)
    assert packets(film) == [packet for clip in clips for packet in packets(clip)], "pictures are copied as they are"
    starts = dict(zip(LABELS, (sum(frames[:n]) / FPS for n in range(len(frames))), strict=True))
    found = chapters(film)
    assert [title for *_, title in found] == list(LABELS)
    assert all(abs(start - starts[label]) < 1e-3 for start, _, label in found)
    texts = cues(film.with_suffix(".srt").read_text("utf-8"))
    assert [words for *_, words in texts] == [f"Words of {label}" for label in SPOKEN]
    for (start, end, _), label in zip(texts, SPOKEN, strict=True):
        assert abs(start - starts[label]) < 1 / FPS and abs(end - starts[label] - SPEAKS_S) < 1 / FPS
    measure_sound(decoded(film), starts)


def measure_sound(sound: np.ndarray, starts: Mapping[str, float]) -> None:
    """Voices begin with their scenes, music lies well below them, and the whole is as loud as it shall be."""
    voice, under = band(sound, SPEECH_HZ), band(sound, MUSIC_HZ)
    loud = np.abs(voice) > 0.1 * np.abs(voice).max()
    for label in SPOKEN:
        first = max(0, round((starts[label] - 0.2) * RATE))
        assert abs((first + int(np.argmax(loud[first:]))) / RATE - starts[label]) < 1 / FPS, label
        part = slice(round((starts[label] + 0.2) * RATE), round((starts[label] + SPEAKS_S - 0.1) * RATE))
        assert level(voice[part]) - level(under[part]) >= 11, label
        assert level(under[part]) > -70, "the music is still there"
    assert abs(integrated_loudness(sound.astype(np.float64), RATE) + 16) <= 1
    four_times = np.interp(np.arange(0, len(sound), 0.25), np.arange(len(sound)), sound[:, 0])
    assert 20 * np.log10(np.abs(four_times).max()) < -1

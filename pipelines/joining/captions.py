"""Subtitles and chapters of a film from the words and places of its scenes."""

from __future__ import annotations

import textwrap

from pipelines.front.language import tr
from pipelines.joining.layout import FilmLayout, ScenePlace
from pipelines.media.files import plain_line
from pipelines.media.write.mux import Chapter

LINE_LETTERS = 42
LINES = 2
"""What viewers read at once."""


def subtitles(layout: FilmLayout) -> str:
    """Return the words of all scenes as the text of an .srt; '' where nothing is said."""
    cues = [cue for scene in layout.scenes for cue in _cues(scene, layout.fps)]
    lines = [f"{n}\n{_time(start)} --> {_time(end)}\n{text}\n" for n, (start, end, text) in enumerate(cues, 1)]
    return "\n".join(lines)


def chapters(layout: FilmLayout) -> list[Chapter]:
    """Return one chapter a scene, each as long as until the next one begins."""
    starts = [scene.first_frame / layout.fps for scene in layout.scenes]
    ends = [*starts[1:], layout.seconds]
    return [
        Chapter(plain_line(scene.label) or tr("scene {number}", number=number), start, end)
        for number, (scene, start, end) in enumerate(zip(layout.scenes, starts, ends, strict=True), 1)
    ]


def _cues(scene: ScenePlace, fps: float) -> list[tuple[float, float, str]]:
    """The words of a scene in parts that fit, each shown as long as its share of the letters."""
    wrapped = textwrap.wrap(" ".join(scene.words.split()), LINE_LETTERS, break_long_words=True)
    parts = ["\n".join(wrapped[n : n + LINES]) for n in range(0, len(wrapped), LINES)]
    start = scene.first_frame / fps
    seconds = scene.narration_s or scene.num_frames / fps
    letters = sum(map(len, parts))
    cues = []
    for part in parts:
        end = start + seconds * len(part) / letters
        cues.append((start, end, part.replace("-->", "→")))
        start = end
    return cues


def _time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"

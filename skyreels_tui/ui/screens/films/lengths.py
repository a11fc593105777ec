"""How long narrations and clips are: read once a file, by a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pipelines.front.errors import MediaError
from skyreels_tui.queue.film import Scene

_known: dict[tuple[str, float, int], float] = {}
"""Path, time and bytes -> seconds; 0 for a file that cannot be read."""


def measured(scenes: Iterable[Scene]) -> dict[str, float]:
    """Path -> seconds of the narrations and of the clips that they are heard with; opens files."""
    # Readers of media load with the first narration.
    from pipelines.media.read.probe import probe_audio, probe_video

    found: dict[str, float] = {}
    for scene in scenes:
        if not scene.facts.narration:
            continue
        found[scene.facts.narration] = _seconds(scene.facts.narration, lambda path: probe_audio(path).duration_s)
        if scene.chosen is not None:
            found[scene.chosen.output] = _seconds(scene.chosen.output, lambda path: probe_video(path).duration_s)
    return {path: seconds for path, seconds in found.items() if seconds}


def _seconds(path: str, read: Callable[[str], float]) -> float:
    try:
        facts = Path(path).stat()
    except OSError:
        return 0.0
    key = path, facts.st_mtime, facts.st_size
    if key not in _known:
        try:
            _known[key] = read(path)
        except MediaError:
            _known[key] = 0.0
    return _known[key]

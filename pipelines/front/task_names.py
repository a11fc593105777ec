"""What the tasks are called wherever jobs are listed: a list of rows loads no task."""

from __future__ import annotations

from pipelines.front.language import mark

NAMES: tuple[tuple[str, str, str], ...] = (
    ("reference_to_video", mark("Reference to video"), "r2v"),
    ("single_shot_extension", mark("Single-shot extension"), "single"),
    ("shot_switching_extension", mark("Shot switching"), "shot"),
    ("talking_avatar", mark("Talking avatar"), "avatar"),
    ("films", mark("Film"), "film"),
)
"""(stored name, title marked for translation, at most six letters for the queue table)."""
TITLES = {name: title for name, title, _ in NAMES}
SHORT = {name: short for name, _, short in NAMES}

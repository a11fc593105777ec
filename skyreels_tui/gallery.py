"""Finished videos as files: listing, facts, trash and undo; knows nothing of Textual or of the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRASH = ".trash"


@dataclass(frozen=True, slots=True)
class Video:
    """One finished video; `recipe` is the sidecar, {} when there is none."""

    path: Path
    num_bytes: int
    modified_s: float
    recipe: Mapping[str, Any]

    @property
    def task(self) -> str:
        """Name of the task: the folder it lies in."""
        return self.path.parent.name

    @property
    def label(self) -> str:
        """The label, else the file's name."""
        return str(self.recipe.get("label") or self.path.stem)

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that made it, {} when unknown."""
        request = self.recipe.get("request")
        return request if isinstance(request, dict) else {}


def videos(result_dir: Path) -> list[Video]:
    """Every finished mp4 below `result_dir`, newest first; unfinished files are left out."""
    found = []
    for path in result_dir.glob("*/*.mp4"):
        if path.parent.name == TRASH or ".part" in path.name:
            continue
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append(Video(path, facts.st_size, facts.st_mtime, _recipe(path)))
    return sorted(found, key=lambda video: video.modified_s, reverse=True)


def matches(video: Video, words: str) -> bool:
    """Whether every word occurs in name, label, task or prompt."""
    text = f"{video.path.name} {video.label} {video.task} {video.request.get('prompt', '')}".lower()
    return all(word in text for word in words.lower().split())


def move_to_trash(path: Path) -> list[tuple[Path, Path]]:
    """Move a video and its sidecar to the trash beside the task folders; pairs (from, to) for `undo`."""
    folder = path.parent.parent / TRASH
    folder.mkdir(exist_ok=True)
    moved = []
    for source in (path, path.with_suffix(".json")):
        if source.exists():
            target = _free(folder / f"{path.parent.name}--{source.name}")
            source.replace(target)
            moved.append((source, target))
    return moved


def undo(moved: list[tuple[Path, Path]]) -> None:
    """Put files back where they were; one that has been made anew there stays, and the old one in the trash."""
    for source, target in moved:
        if not source.exists():
            target.replace(source)


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _recipe(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

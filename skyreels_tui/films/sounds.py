"""Makes what scenes lack before they are run: a voice for their words, a picture for their picture prompt."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.front.errors import Problem
from pipelines.front.request import Files, field_specs
from pipelines.media.read.probe import probe_audio, probe_image
from pipelines.tasks import task_named
from skyreels_tui.films.helpers import HelperFailed, run_helper
from skyreels_tui.films.takes import where_words
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.queue.service import QueueService

VOICES, PICTURES = "voices", "pictures"
"""Folders below the project's results."""


@dataclass(frozen=True, slots=True)
class Helped:
    """What the command made, and for which scenes it gave nothing."""

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def make_voices(
    queue: QueueService, film: Film, command: str, *, only: Collection[int] | None = None, anew: bool = False
) -> Helped:
    """Let the voice command speak the words of scenes that have no narration yet, or `anew` of all."""
    return _help(queue, film, command, "voice", only, anew)


def make_pictures(
    queue: QueueService, film: Film, command: str, *, only: Collection[int] | None = None, anew: bool = False
) -> Helped:
    """Let the picture command draw a reference for scenes that have a picture prompt and no picture yet."""
    return _help(queue, film, command, "picture", only, anew)


def _help(queue: QueueService, film: Film, command: str, kind: str, only: Collection[int] | None, anew: bool) -> Helped:
    files, problems = [], []
    folder = queue.actions.results_of(film.name) / (VOICES if kind == "voice" else PICTURES)
    for number, scene in enumerate(film.scenes, 1):
        text = scene.facts.words if kind == "voice" else scene.facts.picture_prompt
        wanted = bool(text) and (anew or not _has(scene, kind)) and (only is None or scene.id in only)
        if not wanted:
            continue
        name = re.sub(r"[^0-9A-Za-z]+", "-", f"{film.name}-{number:03d}-{scene.name}")[:80].strip("-")
        target = folder / (f"{name}.wav" if kind == "voice" else f"{name}.png")
        try:
            look: Any = probe_audio if kind == "voice" else probe_image
            made = run_helper(command, {"voice": scene.facts.voice}, text, target, look)
        except HelperFailed as error:
            problems.append(Problem(where_words(number, scene), str(error)))
            queue.actions.films.write(_with_facts(scene, trouble=str(error)))
        else:
            files.append(made)
            queue.actions.films.write(_given(scene, kind, made))
    return Helped(tuple(files), tuple(problems))


def _field(scene: Scene, media: str) -> str:
    """The first field of the scene's task that takes such files; ''."""
    specs = field_specs(task_named(scene.task).request_type)
    return next((name for name, spec in specs if isinstance(spec, Files) and spec.media == media), "")


def _has(scene: Scene, kind: str) -> bool:
    field = _field(scene, "audio" if kind == "voice" else "image")
    if kind == "voice" and not field:
        return bool(scene.facts.narration)
    return bool(field) and bool(getattr(scene.request, field))


def _given(scene: Scene, kind: str, made: Path) -> Scene:
    """The scene with what was made in its place: the voice of a task that speaks, else the narration."""
    field = _field(scene, "audio" if kind == "voice" else "image")
    if not field:
        return _with_facts(scene, trouble="", **({"narration": str(made)} if kind == "voice" else {}))
    changes: dict[str, Any] = {field: (str(made),)}
    request = dataclasses.replace(scene.request, **changes)
    return dataclasses.replace(_with_facts(scene, trouble=""), task_type=scene.task, request_json=request.to_json())


def _with_facts(scene: Scene, **changes: Any) -> Scene:
    return dataclasses.replace(scene, facts=dataclasses.replace(scene.facts, **changes))

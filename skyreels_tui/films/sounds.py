"""Makes what scenes lack before they are run: a voice for their words, a picture for their picture prompt."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.front.errors import MediaError, Problem
from pipelines.front.language import mark, tr
from pipelines.front.request import Request
from pipelines.media.read.probe import probe_audio, probe_image
from pipelines.tasks.film import scene_words
from skyreels_tui.films.helpers import LIMITS, HelperFailed, HelperLimits, run_helper
from skyreels_tui.films.lacking import MEDIA
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.queue.service import QueueService
from skyreels_tui.requests.references import field_of, kinds_made_first, made_first

VOICES, PICTURES = "voices", "pictures"
"""Folders below the project's results."""
NAMES = {"voice": mark("voice"), "picture": mark("picture")}


@dataclass(frozen=True, slots=True)
class Helped:
    """What the command made, and for which scenes it gave nothing."""

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def make_voices(
    queue: QueueService,
    film: Film,
    command: str,
    *,
    only: Collection[int] | None = None,
    anew: bool = False,
    hidden: Collection[str] = (),
) -> Helped:
    """Let the voice command speak the words of scenes that have no narration yet, or `anew` of all."""
    return _help(queue, film, command, "voice", only, anew, hidden)


def make_pictures(
    queue: QueueService,
    film: Film,
    command: str,
    *,
    only: Collection[int] | None = None,
    anew: bool = False,
    hidden: Collection[str] = (),
) -> Helped:
    """Let the picture command draw a reference for scenes that have a picture prompt and no picture yet."""
    return _help(queue, film, command, "picture", only, anew, hidden)


def _help(
    queue: QueueService,
    film: Film,
    command: str,
    kind: str,
    only: Collection[int] | None,
    anew: bool,
    hidden: Collection[str],
) -> Helped:
    files, problems = [], []
    for number, scene in enumerate(film.scenes, 1):
        wanted = bool(_text(scene, kind)) and (anew or not _has(scene, kind)) and (only is None or scene.id in only)
        if not wanted:
            continue
        try:
            files.append(help_scene(queue, film, scene, kind, command, hidden=hidden))
        except HelperFailed as error:
            problems.append(Problem(scene_words(number, scene.name), str(error)))
    return Helped(tuple(files), tuple(problems))


def help_scene(
    queue: QueueService,
    film: Film,
    scene: Scene,
    kind: str,
    command: str,
    *,
    limits: HelperLimits = LIMITS,
    hidden: Collection[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Make a 'voice' or a 'picture' for a scene and give it to it, and to its takes that wait for it.

    What an earlier run has made of the same text is taken where the scene has none yet. Raises HelperFailed once the
    scene says why, and takes that cannot do without it have failed; HelperStopped. `hidden` as for `run_helper`.
    """
    text = _text(scene, kind)
    folder = queue.actions.results_of(film.name) / (VOICES if kind == "voice" else PICTURES)
    look: Callable[[Path], object] = probe_audio if kind == "voice" else probe_image
    target = folder / _file_name(film, scene, kind, command)
    waiting = [take for take in scene.takes if kind in kinds_made_first(take.request_json, take.task_type)]
    try:
        if not text:
            raise HelperFailed(tr("there are no words to say") if kind == "voice" else tr("there is no picture prompt"))
        made = target if not _has(scene, kind) and _is_good(target, look) else None
        if made is None:
            voice = {"voice": scene.facts.voice}
            made = run_helper(command, voice, text, target, look, limits=limits, hidden=hidden, stopped=stopped)
    except HelperFailed as error:
        words = tr("{kind}: {error}", kind=tr(NAMES[kind]), error=error)
        troubled = _with_facts(scene, trouble=str(error), asked="")
        queue.actions.films.refuse_help(troubled, [one.id for one in waiting], words)
        queue.actions.wake()
        raise
    given = _given(scene, kind, made)
    requests = {take.id: _filled(take.request, kind, made) for take in waiting}
    queue.actions.films.take_help(_with_facts(given, asked=""), requests)
    queue.actions.wake()
    return made


def _filled(request: Request, kind: str, made: Path) -> Request:
    changes: dict[str, Any] = {field: (str(made),) for field, what in made_first(request).items() if what == kind}
    return dataclasses.replace(request, **changes)


def _text(scene: Scene, kind: str) -> str:
    return scene.facts.words if kind == "voice" else scene.facts.picture_prompt


def _file_name(film: Film, scene: Scene, kind: str, command: str) -> str:
    """The same for the same text, so that what a killed run has made is found again."""
    what = json.dumps([scene.id, command, scene.facts.voice, _text(scene, kind)])
    mark = hashlib.sha256(what.encode()).hexdigest()[:8]
    name = re.sub(r"[^0-9A-Za-z]+", "-", f"{film.name}-{scene.name}")[:80].strip("-")
    return f"{name}-{mark}.wav" if kind == "voice" else f"{name}-{mark}.png"


def _is_good(path: Path, look: Callable[[Path], object]) -> bool:
    if not path.is_file():
        return False
    try:
        look(path)
    except MediaError:
        return False
    return True


def _has(scene: Scene, kind: str) -> bool:
    field = field_of(scene.task, MEDIA[kind])
    if kind == "voice" and not field:
        return bool(scene.facts.narration)
    return bool(field) and bool(getattr(scene.request, field))


def _given(scene: Scene, kind: str, made: Path) -> Scene:
    """The scene with what was made in its place: the voice of a task that speaks, else the narration."""
    field = field_of(scene.task, MEDIA[kind])
    if not field:
        return _with_facts(scene, trouble="", **({"narration": str(made)} if kind == "voice" else {}))
    changes: dict[str, Any] = {field: (str(made),)}
    request = dataclasses.replace(scene.request, **changes)
    return dataclasses.replace(_with_facts(scene, trouble=""), task_type=scene.task, request_json=request.to_json())


def _with_facts(scene: Scene, **changes: Any) -> Scene:
    return dataclasses.replace(scene, facts=dataclasses.replace(scene.facts, **changes))

"""What a person writes about a film or a scene besides its request: as fields to fill in, and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.front.errors import MediaError, Problem
from pipelines.front.fields import FieldSpec, Files, Flag, Text
from pipelines.front.language import mark
from skyreels_tui.films.projects import film_name_problem, project_problem
from skyreels_tui.queue.film import Film, FilmFacts, Scene, SceneFacts
from skyreels_tui.requests.typed_paths import expand

FILM_FIELDS: Mapping[str, FieldSpec] = {
    "project": Text(
        label=mark("Project"), help=mark("A folder below the results for all that is made from the film; empty: none")
    ),
    "title": Text(label=mark("Title"), help=mark("The title of the finished film")),
    "music": Files(
        label=mark("Music"), media="audio", minimum=0, help=mark("Lies under the whole film, softer while one speaks")
    ),
    "goes_on": Flag(
        label=mark("Go on after failures"),
        help=mark("{{prev}} then means the nearest earlier scene that is done"),
    ),
}
NAME = Text(label=mark("Name"), required=True, help=mark("What the film is called, in lists and in the shell"))
SCENE_FIELDS: Mapping[str, FieldSpec] = {
    "label": Text(label=mark("Label"), help=mark("A name for the list and for {{job:NAME}}")),
    "narration": Files(
        label=mark("Narration"), media="audio", minimum=0, help=mark("A sound that is heard with the scene")
    ),
    "words": Text(
        label=mark("Words"), multiline=True, help=mark("What is said: for the voice command and for subtitles")
    ),
    "voice": Text(label=mark("Voice"), help=mark("Which voice says it: {voice} of the voice command")),
    "music": Files(label=mark("Music"), media="audio", minimum=0, help=mark("Lies under this scene alone")),
    "picture_prompt": Text(label=mark("Picture prompt"), help=mark("What the picture command is told")),
    "notes": Text(label=mark("Notes"), help=mark("Anything worth keeping")),
}
_SOUNDS = ("narration", "music")


def film_values(film: Film) -> dict[str, Any]:
    """What stands in the fields of a film."""
    facts = film.facts
    return {"project": film.project, "title": facts.title, "music": _files(facts.music), "goes_on": facts.goes_on}


def scene_values(scene: Scene) -> dict[str, Any]:
    """What stands in the fields of a scene."""
    given = {name: getattr(scene.facts, name) for name in SCENE_FIELDS if name != "label"}
    return {"label": scene.name, **{name: _files(v) if name in _SOUNDS else v for name, v in given.items()}}


def film_facts(values: Mapping[str, Any], before: FilmFacts) -> FilmFacts:
    """The facts of a film whose fields hold this."""
    return dataclasses.replace(
        before, title=values["title"], music=_path(values["music"]), goes_on=bool(values["goes_on"])
    )


def scene_facts(values: Mapping[str, Any], before: SceneFacts) -> SceneFacts:
    """The facts of a scene whose fields hold this."""
    plain: dict[str, Any] = {name: values[name] for name in ("words", "voice", "picture_prompt", "notes")}
    plain |= {name: _path(values[name]) for name in _SOUNDS}
    return dataclasses.replace(before, **plain)


def problems_of(values: Mapping[str, Any]) -> list[Problem]:
    """What cannot be kept; opens the sounds."""
    found = []
    if "name" in values and (problem := film_name_problem(values["name"])):
        found.append(Problem("name", problem))
    if problem := project_problem(values.get("project", "")):
        found.append(Problem("project", problem))
    found += [one for name in _SOUNDS if (one := sound_problem(name, _path(values.get(name, ())))) is not None]
    return found


def sound_path(text: str) -> str:
    """The absolute path of a typed sound file; '' for none."""
    return str(Path(expand(text)).expanduser().absolute()) if text else ""


def sound_problem(name: str, path: str) -> Problem | None:
    """Why nothing can be heard of a file, or None."""
    if not path:
        return None
    # numpy and ffmpeg are paid by those who name a sound.
    from pipelines.media.read.probe import probe_audio

    try:
        probe_audio(path)
    except MediaError as error:
        return Problem(name, str(error))
    return None


def _files(path: str) -> tuple[str, ...]:
    return (path,) if path else ()


def _path(files: object) -> str:
    return sound_path(str(files[0])) if isinstance(files, tuple | list) and files else ""

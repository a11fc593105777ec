"""Writes a film as a file that is read back as the same film, here or on the page that its shape comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.front.fields import Files
from pipelines.front.request import field_specs
from skyreels_tui.films.importing import VOICE
from skyreels_tui.queue.batches.batch_file import entries_to_markdown, plain_request
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.requests.references import token_name


def film_to_json(film: Film) -> str:
    """Write a film as the exported object {"name", "project", "jobs": [...]}."""
    about: dict[str, Any] = {**film.facts.kept, "name": film.name, "project": film.project}
    about |= {"title": film.facts.title} if film.facts.title else {}
    about |= {"music": film.facts.music} if film.facts.music else {}
    about |= {"goes_on": True} if film.facts.goes_on else {}
    jobs = [_entry(film, scene, numbered=True) for scene in film.scenes]
    return json.dumps({**about, "jobs": jobs}, ensure_ascii=False, indent=2) + "\n"


def film_to_markdown(film: Film) -> str:
    """Write a film as a title and '## label' sections; keys that are no text are written as JSON."""
    entries = [
        {key: _line(value) for key, value in _entry(film, scene, numbered=False).items() if value != ""}
        | {"label": scene.name}
        for scene in film.scenes
    ]
    return entries_to_markdown(entries, film.name)


def _line(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _entry(film: Film, scene: Scene, *, numbered: bool) -> dict[str, Any]:
    facts = scene.facts
    request = scene.request
    entry: dict[str, Any] = {**facts.kept, "label": scene.name, "task_type": scene.task, **plain_request(request)}
    if request.profile != "full":
        entry["profile"] = request.profile
    for name, spec in field_specs(type(request)):
        if isinstance(spec, Files) and numbered and name in entry:
            entry[name] = _numbered(film, entry[name])
    if facts.narration:
        entry["narration" if VOICE in entry else VOICE] = facts.narration
    texts: Mapping[str, str] = {
        "audio_text": facts.words,
        "voice_id": facts.voice,
        "audio_bg": facts.music or film.facts.music,
        "image_prompt": facts.picture_prompt,
        "notes": facts.notes,
    }
    entry |= {key: text for key, text in texts.items() if text}
    if (chosen := scene.chosen) is not None:
        entry |= {"status": "done", "output_video": chosen.output}
    return entry


def _numbered(film: Film, value: Any) -> Any:
    """References by label as their place in the file, from 0."""
    if isinstance(value, list):
        return [_numbered(film, one) for one in value]
    name = token_name(value) if isinstance(value, str) else None
    if not name:
        return value
    place = next((n for n, scene in enumerate(film.scenes) if scene.label == name), None)
    return value if place is None else f"{{{{job:{place}}}}}"

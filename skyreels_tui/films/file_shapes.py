"""Files that hold films: a list of scenes, an exported object, a list of such objects, Markdown; checks no scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import tr
from skyreels_tui.queue.batches.batch_file import MOST_JOBS, load_json, parse_markdown, read_text, too_many

_OBJECT_KEYS = ("name", "project", "jobs", "title", "music", "goes_on")


@dataclass(frozen=True, slots=True)
class RawFilm:
    """One film as it stands in a file."""

    name: str
    entries: Sequence[Any]
    project: str = ""
    title: str = ""
    music: str = ""
    goes_on: bool = False
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Keys of an exported object that mean nothing here."""
    counts_from_0: bool = False
    """`{{job:N}}` counts the entries of the file."""
    is_object: bool = False
    """It stood in the file as an object of its own, with what is known of the whole film."""


def read_films(path: Path, name: str = "") -> list[RawFilm]:
    """Read a file; its films are called `name`, what the file says, or the file's stem. Raises InvalidRequest."""
    text = read_text(path)
    stem = path.stem.encode("utf-8", "replace").decode("utf-8")
    if path.suffix.lower() in (".md", ".markdown"):
        title, entries = parse_markdown(text)
        return [RawFilm(name or title or stem, entries)]
    content = load_json(text)
    if isinstance(content, dict):
        return [_exported(content, name, stem)]
    if not isinstance(content, list):
        words = tr("must be a list of scenes, or an object with its scenes under 'jobs'")
        raise InvalidRequest([Problem("file", words)])
    if content and all(_is_exported(one) for one in content):
        if sum(len(one["jobs"]) for one in content) > MOST_JOBS:
            raise InvalidRequest([too_many()])
        return [_exported(one, name if len(content) == 1 else "", f"{stem}-{n}") for n, one in enumerate(content, 1)]
    if len(content) > MOST_JOBS:
        raise InvalidRequest([too_many()])
    return [RawFilm(name or stem, content, counts_from_0=_counts_from_0(content))]


def _is_exported(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("jobs"), list)


def _exported(content: Mapping[str, Any], name: str, otherwise: str) -> RawFilm:
    if not _is_exported(content):
        raise InvalidRequest([Problem("file", tr("has no list of scenes under 'jobs'"))])
    if len(content["jobs"]) > MOST_JOBS:
        raise InvalidRequest([too_many()])
    texts = {key: content[key] if isinstance(content.get(key), str) else "" for key in _OBJECT_KEYS}
    kept = {
        key: value
        for key, value in content.items()
        if key not in _OBJECT_KEYS or (key in ("name", "project", "title", "music") and not isinstance(value, str))
    }
    return RawFilm(
        name or texts["name"].strip() or otherwise,
        content["jobs"],
        texts["project"].strip(),
        texts["title"],
        texts["music"],
        content.get("goes_on") is True,
        kept,
        counts_from_0=True,
        is_object=True,
    )


_BOOKKEEPING = ("id", "nq_id", "nq_job_index", "created_at", "started_at", "finished_at", "status", "output_video")
_FOREIGN = frozenset({*_BOOKKEEPING, "audio_text", "audio_bg", "image_prompt"})


def _counts_from_0(entries: Sequence[object]) -> bool:
    """True for a bare list that another page wrote: its bookkeeping tells, or a number that no job here can have."""
    return any(
        isinstance(entry, dict) and (not _FOREIGN.isdisjoint(entry) or "{{job:0}}" in str(entry)) for entry in entries
    )

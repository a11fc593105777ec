"""Which finished videos are listed, and in which order; plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from pipelines.front.language import mark
from skyreels_tui.results.gallery import Video


class Order(StrEnum):
    """What videos are sorted by; the value is what a person reads."""

    NEWEST = mark("newest first")
    OLDEST = mark("oldest first")
    LABEL = mark("by label")
    SEED = mark("by seed")
    SIZE = mark("largest first")
    LENGTH = mark("longest first")


STARRED, NOTED = mark("with a star"), mark("with a note")
"""Filters besides the names of tasks."""

_KEYS: Mapping[Order, Callable[[Video], Any]] = {
    Order.NEWEST: lambda video: -video.modified_s,
    Order.OLDEST: lambda video: video.modified_s,
    Order.LABEL: lambda video: (video.label.casefold(), video.path.name),
    Order.SEED: lambda video: (not isinstance(seed := video.request.get("seed"), int), seed if seed else 0),
    Order.SIZE: lambda video: -video.num_bytes,
    Order.LENGTH: lambda video: -(video.seconds or 0.0),
}


def filters(videos: Iterable[Video]) -> list[str]:
    """Return what these videos can be filtered by: '' for all, marks that some have, then their tasks."""
    found = list(videos)
    marks = [STARRED] if any(video.star for video in found) else []
    marks += [NOTED] if any(video.note for video in found) else []
    return ["", *marks, *sorted({video.task for video in found})]


def chosen(videos: Iterable[Video], words: str, only: str, order: Order) -> list[Video]:
    """Return the videos that search and filter leave, sorted; those of one rank stay newest first."""
    return sorted((video for video in videos if _matches(video, words, only)), key=_KEYS[order])


def differing_fields(first: Video, second: Video) -> list[tuple[str, str, str]]:
    """Return (field, value of the first, of the second) where their requests differ, or one has no such field."""
    one, other = {"task": first.task, **first.request}, {"task": second.task, **second.request}
    names = dict.fromkeys([*one, *other])
    return [(name, _text(one.get(name)), _text(other.get(name))) for name in names if one.get(name) != other.get(name)]


def _text(value: object) -> str:
    match value:
        case None | "" | [] | ():
            return ""
        case list() | tuple():
            return ", ".join(str(part).rpartition("/")[2] for part in value)
    return str(value)


def _matches(video: Video, words: str, only: str) -> bool:
    """Whether every word occurs in name, label, task, prompt, seed or note, and the filter lets the video through."""
    if only == STARRED:
        fits = video.star
    elif only == NOTED:
        fits = bool(video.note)
    else:
        fits = only in ("", video.task)
    request = video.request
    text = (
        f"{video.path.name} {video.label} {video.short} {video.task} {request.get('prompt', '')} "
        f"{request.get('seed', '')} {video.note}"
    ).lower()
    return fits and all(word in text for word in words.lower().split())

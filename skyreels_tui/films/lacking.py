"""What a scene lacks that a person's command can make before it is run; runs nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipelines.front.request import Request
from skyreels_tui.queue.film import Scene
from skyreels_tui.requests.references import MADE_FIRST, field_of

MEDIA = {"voice": "audio", "picture": "image"}
"""What each command makes."""


def fillable(scene: Scene) -> dict[str, str]:
    """Empty input fields of a scene that a command can fill -> 'voice' or 'picture'."""
    wanted = {"voice": scene.facts.words, "picture": scene.facts.picture_prompt}
    fields = {kind: field_of(scene.task, MEDIA[kind]) for kind, text in wanted.items() if text}
    return {field: kind for kind, field in fields.items() if field and not getattr(scene.request, field)}


def with_made_first(request: Request, fields: Mapping[str, str]) -> Request:
    """The request of a take that waits until these fields are made."""
    tokens = {kind: token for token, kind in MADE_FIRST.items()}
    changes: dict[str, Any] = {field: (tokens[kind],) for field, kind in fields.items()}
    return dataclasses.replace(request, **changes)

"""What a list shows of a request: prompt, size and seed; reads damaged ones too, and knows no task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipelines.front.documents import read_json

PROMPT_LETTERS = 400
"""Of a prompt that a list can show."""


@dataclass(frozen=True, slots=True)
class Glance:
    """'' for what a request does not say."""

    prompt: str = ""
    size: str = ""
    """`720P 5s`."""
    seed: str = ""


def glance(request: Mapping[str, Any]) -> Glance:
    """Return what is shown of a request's fields."""
    prompt, resolution, seconds = (request.get(name) for name in ("prompt", "resolution", "duration"))
    parts = [resolution[:8] if isinstance(resolution, str) else "", f"{seconds}s" if _is_count(seconds) else ""]
    seed = request.get("seed")
    return Glance(
        " ".join(prompt[:PROMPT_LETTERS].split()) if isinstance(prompt, str) else "",
        " ".join(part for part in parts if part),
        str(seed) if _is_count(seed) else "",
    )


@lru_cache(maxsize=4096)
def glance_at(request_json: str) -> Glance:
    """Return what is shown of a stored request."""
    try:
        request = read_json(request_json)
    except ValueError:
        return Glance()
    return glance(request) if isinstance(request, dict) else Glance()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**10

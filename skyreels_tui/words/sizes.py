"""Sizes and counts in the words of the screens; units come from the one table that the pipelines' messages use."""

from __future__ import annotations

from pipelines.front.sizes import GIB, gib, size

__all__ = ["GIB", "count", "gib", "size"]


def count(number: int) -> str:
    """A whole number with thin groups: `126 000`."""
    return f"{number:,}".replace(",", " ")

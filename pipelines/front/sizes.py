"""Sizes in words: the one table of units, so that a file has the same size on every screen and in every message."""

from __future__ import annotations

GIB = 2**30
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(num_bytes: float) -> str:
    """`512 B`, `3.1 MiB`, `61 GiB`, `1.7 TiB`: three figures are enough for a decision; nothing is below 0 B."""
    amount = max(0.0, float(num_bytes))
    for unit in UNITS:
        if amount < 1000 or unit == UNITS[-1]:
            return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")


def gib(num_bytes: float | None) -> str:
    """Bytes in GiB with one decimal and no unit, for columns; a dash when unknown, and never 0.0 for something."""
    if num_bytes is None:
        return "-"
    return "<0.1" if 0 < num_bytes < 0.05 * GIB else f"{num_bytes / GIB:.1f}"

"""Pictures in character cells: two pixels a cell, upper half block; knows nothing about where they come from."""

from __future__ import annotations

from textual.content import Content

RAMP = " .:-=+*#%@"
"""Letters from dark to light, for terminals without colours."""


def picture(rgb: bytes, width: int, height: int, monochrome: bool = False) -> Content:
    """Draw `height` x `width` RGB bytes; an odd last row is drawn on the background alone."""
    lines = []
    row_bytes = width * 3
    for top in range(0, height, 2):
        upper = rgb[top * row_bytes : (top + 1) * row_bytes]
        lower = rgb[(top + 1) * row_bytes : (top + 2) * row_bytes]
        lines.append(_grey(upper, lower, width) if monochrome else _line(upper, lower, width))
    return Content("\n").join(lines)


def _line(upper: bytes, lower: bytes, width: int) -> Content:
    parts: list[tuple[str, str]] = []
    run, last = 0, ""
    for x in range(width):
        style = f"#{upper[x * 3 : x * 3 + 3].hex()}"
        if lower:
            style += f" on #{lower[x * 3 : x * 3 + 3].hex()}"
        if style != last and run:
            parts.append(("▀" * run, last))
            run = 0
        run, last = run + 1, style
    parts.append(("▀" * run, last))
    return Content.assemble(*parts)


def _grey(upper: bytes, lower: bytes, width: int) -> Content:
    """One letter a cell, as bright as both of its pixels together."""
    both = [sum(upper[x * 3 : x * 3 + 3]) + sum((lower or upper)[x * 3 : x * 3 + 3]) for x in range(width)]
    return Content("".join(RAMP[value * len(RAMP) // (6 * 256)] for value in both))


def fit(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Largest (pixels across, pixels down) of the same shape in a box of cells; down is even."""
    scale = min(columns / width, rows * 2 / height)
    across = max(1, min(columns, round(width * scale)))
    down = max(2, min(rows * 2, round(height * scale)) // 2 * 2)
    return across, down


def wave(peaks: list[float], sparks: str) -> str:
    """A strip of sound: one height a column."""
    top = len(sparks) - 1
    return "".join(sparks[max(0, min(top, round(peak * top)))] for peak in peaks)

"""Bars, sparklines and flowing words for the live panels; pure functions from figures to content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from skyreels_tui.ui.drawing.glyphs import UNICODE, Glyphs

GAP = "   "


def bar(fraction: float, width: int, glyphs: Glyphs = UNICODE, style: str = "$primary") -> Content:
    """A bar of `width` cells, filled to `fraction` (0..1) in half cells."""
    halves = round(max(0.0, min(1.0, fraction)) * width * 2)
    full, half = divmod(halves, 2)
    rest = width - full - half
    return Content.assemble(
        (glyphs.bar_full * full + glyphs.bar_half * half, style), (glyphs.bar_empty * rest, "$text-disabled")
    )


def stacked(parts: Sequence[tuple[float, str, str]], total: float, width: int, empty: str = " ") -> Content:
    """Stack (amount, glyph, style) parts of `total` in `width` cells; any amount above zero shows a cell."""
    pieces: list[tuple[str, str]] = []
    left = width
    for amount, glyph, style in parts:
        cells = min(left, max(1 if amount > 0 else 0, round(amount / total * width) if total else 0))
        pieces.append((glyph * cells, style))
        left -= cells
    return Content.assemble(*pieces, (empty * left, "$text-disabled"))


def sparkline(
    values: Iterable[float | None],
    width: int,
    low: float | None = None,
    high: float | None = None,
    glyphs: Glyphs = UNICODE,
) -> str:
    """Draw the newest `width` values between `low` and `high` (their own range by default)."""
    newest = list(values)[-width:] if width > 0 else []
    known = [value for value in newest if value is not None]
    if not known:
        return ""
    low = min(known) if low is None else low
    high = max(known) if high is None else high
    span, top = high - low, len(glyphs.sparks) - 1
    cells = []
    for value in newest:
        if value is None:
            cells.append(" ")
        elif span <= 0:
            cells.append(glyphs.sparks[top // 2])
        else:
            cells.append(glyphs.sparks[max(0, min(top, round((value - low) / span * top)))])
    return "".join(cells)


def plot(values: Sequence[float], width: int, height: int, high: float, glyphs: Glyphs = UNICODE) -> list[str]:
    """Draw a graph of the newest values from 0 to `high` in `height` rows of `width` cells, newest right."""
    newest = list(values)[-width:]
    levels = len(glyphs.sparks)
    rows = []
    for row in range(height - 1, -1, -1):
        cells = []
        for value in newest:
            eighths = round(max(0.0, min(1.0, value / high if high else 0.0)) * height * levels) - row * levels
            cells.append(" " if eighths <= 0 else glyphs.sparks[min(levels, eighths) - 1])
        rows.append("".join(cells).rjust(width))
    return rows


def flow(parts: Iterable[Content], width: int, gap: str = GAP) -> list[Content]:
    """Lay parts side by side, and begin a new line where one does not fit."""
    lines: list[Content] = []
    line: Content | None = None
    for part in parts:
        if not part.cell_length:
            continue
        if line is None:
            line = part
        elif line.cell_length + len(gap) + part.cell_length <= width:
            line = Content.assemble(line, gap, part)
        else:
            lines.append(line)
            line = part
    return lines if line is None else [*lines, line]


def stack(lines: Sequence[Content], width: int, height: int) -> Content:
    """Join at most `height` lines, each cut to `width` cells."""
    cut = [line.truncate(width, ellipsis=True) if line.cell_length > width else line for line in lines]
    return Content("\n").join(cut[: max(1, height)])

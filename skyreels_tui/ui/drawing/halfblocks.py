"""Pictures in character cells: two pixels a cell, upper half block; knows nothing about where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.color import Color as AnsiColor
from rich.segment import Segment
from rich.style import Style as AnsiStyle
from textual.color import Color
from textual.content import Content, Span
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

RAMP = " .:-=+*#%@"
"""Letters from dark to light, for terminals without colours."""
BLOCK = "▀"
BESIDE = Segment(" ")
"""Between two pictures that stand side by side."""


class CellPicture(Visual):
    """A picture that is drawn as it is, a style a cell: as `Content` the same takes many times as long."""

    def __init__(self, lines: Sequence[Sequence[Segment]]) -> None:
        """Take lines of cells; one without a style has that of what it stands in."""
        self._lines = lines

    @property
    def plain(self) -> str:
        """The characters alone."""
        return "\n".join("".join(segment.text for segment in line) for line in self._lines)

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """As much as there is room for."""
        around = style.rich_style
        strips = [Strip([cell if cell.style else Segment(cell.text, around) for cell in line]) for line in self._lines]
        return [strip.crop(0, width) for strip in strips[:height]]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """Cells of the longest line."""
        return max((sum(segment.cell_length for segment in line) for line in self._lines), default=0)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Lines, whatever the width."""
        return len(self._lines)


class Captioned(Visual):
    """A picture of cells with words below it."""

    def __init__(self, above: CellPicture, words: Content) -> None:
        self._above, self._words = above, words

    @property
    def plain(self) -> str:
        """The characters alone."""
        return f"{self._above.plain}\n{self._words.plain}"

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """As much as there is room for, the picture first."""
        strips = self._above.render_strips(width, height, style, options)
        room = None if height is None else height - len(strips)
        return strips if room == 0 else strips + self._words.render_strips(width, room, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """That of the wider of both."""
        both = self._above, self._words
        return max(one.get_optimal_width(rules, container_width) for one in both)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Lines of both."""
        return self._above.get_height(rules, width) + self._words.get_height(rules, width)


def cell_line(upper: bytes, lower: bytes, monochrome: bool = False) -> list[Segment]:
    """One line of a `CellPicture` from two rows of RGB bytes."""
    if monochrome:
        return [Segment(_letters(upper, lower))]
    return [
        Segment(BLOCK * count, AnsiStyle.from_color(*(AnsiColor.from_rgb(*pixel) for pixel in pixels)))
        for count, pixels in _runs(upper, lower)
    ]


def cell_picture(rgb: bytes, width: int, height: int, monochrome: bool = False) -> CellPicture:
    """Draw `height` x `width` RGB bytes, an even number of rows, where nothing else stands beside them."""
    return CellPicture(cell_lines(rgb, width, height, monochrome))


def cell_lines(rgb: bytes, width: int, height: int, monochrome: bool = False) -> list[list[Segment]]:
    """The lines of a `CellPicture` of `height` x `width` RGB bytes, an even number of rows."""
    rows = [rgb[top * width * 3 : (top + 1) * width * 3] for top in range(height)]
    return [cell_line(rows[top], rows[top + 1], monochrome) for top in range(0, height - 1, 2)]


def picture(rgb: bytes, width: int, height: int, monochrome: bool = False) -> Content:
    """Draw `height` x `width` RGB bytes; an odd last row is drawn on the background alone."""
    lines = []
    row_bytes = width * 3
    for top in range(0, height, 2):
        upper = rgb[top * row_bytes : (top + 1) * row_bytes]
        lower = rgb[(top + 1) * row_bytes : (top + 2) * row_bytes]
        lines.append(Content(_letters(upper, lower)) if monochrome else _line(upper, lower))
    return Content("\n").join(lines)


def _line(upper: bytes, lower: bytes) -> Content:
    spans, start = [], 0
    for count, (above, *below) in _runs(upper, lower):
        # A style in words would be parsed, once for every colour.
        behind = Color(*below[0]) if below else None
        spans.append(Span(start, start + count, Style(background=behind, foreground=Color(*above))))
        start += count
    return Content(BLOCK * start, spans)


def _runs(upper: bytes, lower: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Neighbouring cells of the same colours: how many, and the pixels of one."""
    rows = [row for row in (upper, lower) if row]
    last: list[bytes] = []
    count = 0
    for start in range(0, len(upper), 3):
        pixels = [row[start : start + 3] for row in rows]
        if pixels != last and count:
            yield count, last
            count = 0
        count, last = count + 1, pixels
    if count:
        yield count, last


def _letters(upper: bytes, lower: bytes) -> str:
    """One letter a cell, as bright as both of its pixels together."""
    lower = lower or upper
    both = [sum(upper[start : start + 3]) + sum(lower[start : start + 3]) for start in range(0, len(upper), 3)]
    return "".join(RAMP[value * len(RAMP) // (6 * 256)] for value in both)


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

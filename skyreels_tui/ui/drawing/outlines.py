"""Outlines drawn over a picture of cells; knows nothing of what lies in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from skyreels_tui.ui.drawing.halfblocks import CellPicture


@dataclass(frozen=True, slots=True)
class Outline:
    """A rectangle of cells, its edges included."""

    left: int
    top: int
    right: int
    bottom: int
    name: str
    """One letter, in its upper left corner."""
    strokes: str
    """Four corners from the upper left by rows, then the line across and the line down."""
    style: str

    def cells(self) -> dict[tuple[int, int], str]:
        """(row, column) of every cell of its edges -> what stands there."""
        corners, across, down = self.strokes[:4], self.strokes[4], self.strokes[5]
        found = {
            (row, column): across for row in (self.top, self.bottom) for column in range(self.left, self.right + 1)
        }
        found |= {(row, column): down for column in (self.left, self.right) for row in range(self.top, self.bottom + 1)}
        places = [(row, column) for row in (self.top, self.bottom) for column in (self.left, self.right)]
        return found | dict(zip(places, corners, strict=True)) | {places[0]: self.name}


class Outlined(Visual):
    """A picture of cells with outlines over it; a later one covers an earlier one."""

    def __init__(self, picture: CellPicture, outlines: Sequence[Outline]) -> None:
        self._picture = picture
        self._over: dict[int, dict[int, tuple[str, str]]] = defaultdict(dict)
        """Row -> column -> letter and style."""
        for outline in outlines:
            for (row, column), letter in outline.cells().items():
                self._over[row][column] = letter, outline.style

    @property
    def plain(self) -> str:
        """The characters alone."""
        lines = [list(line) for line in self._picture.plain.split("\n")]
        for row, line in enumerate(lines):
            for column, (letter, _) in self._over.get(row, {}).items():
                if 0 <= column < len(line):
                    line[column] = letter
        return "\n".join(map("".join, lines))

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """As much as there is room for."""
        strips = self._picture.render_strips(width, height, style, options)
        for row, strip in enumerate(strips):
            if over := self._over.get(row):
                cells = [Segment(character, part.style) for part in strip for character in part.text]
                for column, (letter, name) in over.items():
                    if 0 <= column < len(cells):
                        cells[column] = Segment(letter, (style + options.get_style(name)).rich_style)
                strips[row] = Strip(cells).simplify()
        return strips

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """That of the picture."""
        return self._picture.get_optimal_width(rules, container_width)

    def get_height(self, rules: RulesMap, width: int) -> int:
        """That of the picture."""
        return self._picture.get_height(rules, width)

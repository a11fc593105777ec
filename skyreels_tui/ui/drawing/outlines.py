"""Outlines drawn over a picture of cells; knows nothing of what lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content


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


def draw_outlines(picture: Content, outlines: Sequence[Outline]) -> Content:
    """Lay outlines over a picture; a later one covers an earlier one."""
    lines = list(picture.split("\n"))
    for outline in outlines:
        for (row, column), letter in outline.cells().items():
            if 0 <= row < len(lines) and 0 <= column < len(lines[row]):
                line = lines[row]
                lines[row] = Content.assemble(line[:column], (letter, outline.style), line[column + 1 :])
    return Content("\n").join(lines)

"""Boxes over a portrait that say where a speaker is: in per cent of the upright picture; opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite

from pipelines.front.crop import Crop
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from pipelines.front.shapes import PATCH, SPATIAL_STRIDE

WHOLE = 100.0
"""Per cent: a picture's whole width or height."""
TOKEN = PATCH * SPATIAL_STRIDE
"""Pixels of a side of what one token of the network sees."""
SLACK = 1e-9
"""Of decimal figures that are no binary ones."""


class RegionsRefused(PipelineError):
    """Regions that the network cannot be told."""


@dataclass(frozen=True, slots=True)
class Box:
    """One region, each figure in per cent of the picture's width or height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in (self.left, self.top, self.width, self.height))

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.left <= x < self.right and self.top <= y < self.bottom

    def meets(self, other: Box) -> bool:
        """Whether both have some of the picture in common; edges that touch have not."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > SLACK and down > SLACK


def kept_box(crop: Crop) -> Box:
    """The part of a picture that is left when it is cut."""
    (height, width), (below, across) = crop.resized, crop.target
    parts = (crop.left / width, crop.top / height, across / width, below / height)
    return Box(*(part * WHOLE for part in parts))


def box_texts(text: str) -> list[str]:
    """The boxes of a text: between spaces, semicolons or lines."""
    return [entry for entry in re.split(r"[;\s]+", re.sub(r"\s*,\s*", ",", text.strip())) if entry]


def parse_boxes(text: str) -> tuple[Box, ...]:
    """Read 'left,top,width,height' in per cent, a box an entry. Raises RegionsRefused in words."""
    boxes = tuple(_box(number, entry) for number, entry in enumerate(box_texts(text), start=1))
    for (first, one), (second, other) in combinations(enumerate(boxes, start=1), 2):
        if one.meets(other):
            raise RegionsRefused(
                tr("regions {first} and {second} overlap: each speaker needs a part of the picture alone",
                   first=first, second=second)
            )  # fmt: skip
    return boxes


def _box(number: int, entry: str) -> Box:
    try:
        figures = [float(part) for part in entry.split(",")]
    except ValueError:
        figures = []
    if len(figures) != 4 or not all(map(isfinite, figures)):
        raise RegionsRefused(
            tr("region {number}: {text!r} is no left,top,width,height in per cent of the portrait, such as 8,12,36,70",
               number=number, text=entry)
        )  # fmt: skip
    box = Box(*figures)
    if box.width <= 0 or box.height <= 0:
        raise RegionsRefused(
            tr("region {number}: {text} is empty: width and height must be above 0", number=number, text=entry)
        )
    if min(box.left, box.top) < 0 or max(box.right, box.bottom) > WHOLE + SLACK:
        raise RegionsRefused(
            tr("region {number}: {text} reaches outside the portrait: left plus width, and top plus height, are at "
               "most 100", number=number, text=entry)
        )  # fmt: skip
    return box


def boxes_text(boxes: Iterable[Box]) -> str:
    """Boxes as `parse_boxes` reads them."""
    return " ".join(map(str, boxes))


def boxes_problem(text: str, most: int) -> str:
    """Why a text is no list of at most `most` boxes, or ''."""
    given = len(box_texts(text))
    if given > most:
        return tr("{given} regions given: at most {most}", given=given, most=most)
    try:
        parse_boxes(text)
    except RegionsRefused as error:
        return str(error)
    return ""


Grid = tuple[tuple[int, ...], ...]
"""Rows of tokens, each the class that it belongs to: 0 and 1 the speakers, 2 the background."""
BACKGROUND = 2


def speaker_grid(boxes: Sequence[Box], crop: Crop) -> Grid:
    """Return which speaker every token of the cropped portrait is: a token belongs where its middle lies.

    With one box all the rest is the second, who stays silent. The network tells three classes apart and each needs a
    token: where the boxes leave no background, the top row is given up for it. Raises RegionsRefused in words for a
    region without a token.
    """
    (rows, columns), rest = (side // TOKEN for side in crop.target), 1 if len(boxes) == 1 else BACKGROUND
    grid = [[rest] * columns for _ in range(rows)]
    for row in range(rows):
        y = (crop.top + (row + 0.5) * TOKEN) / crop.resized[0] * WHOLE
        for column in range(columns):
            x = (crop.left + (column + 0.5) * TOKEN) / crop.resized[1] * WHOLE
            grid[row][column] = next((number for number, box in enumerate(boxes) if box.holds(x, y)), rest)
    for number, box in enumerate(boxes, start=1):
        if not _count(grid, number - 1):
            raise RegionsRefused(
                tr("region {number}: {text} is cut away with the portrait's edges, or smaller than the model can tell "
                   "apart: make it larger", number=number, text=box)
            )  # fmt: skip
    if not _count(grid, BACKGROUND):
        below = {speaker for line in grid[1:] for speaker in line}
        grid[0] = [BACKGROUND if speaker in below else speaker for speaker in grid[0]]
    if not all(_count(grid, speaker) for speaker in range(BACKGROUND + 1)):
        raise RegionsRefused(tr("the regions leave nothing of the portrait: make them smaller"))
    return tuple(map(tuple, grid))


def _count(grid: Sequence[Sequence[int]], speaker: int) -> int:
    return sum(line.count(speaker) for line in grid)

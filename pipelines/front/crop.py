"""How a picture of one size is scaled and cut so that it fills another; plain figures, no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crop:
    """Where a picture of one size is scaled to and cut so that it fills another."""

    resized: tuple[int, int]
    """(height, width) after scaling."""
    top: int
    left: int
    target: tuple[int, int]
    """(height, width) after cutting."""

    @property
    def lost_share(self) -> float:
        """Share of the picture's area that falls away."""
        return 1 - math.prod(self.target) / math.prod(self.resized)


def fill_crop(height: int, width: int, target: tuple[int, int]) -> Crop:
    """Return the crop that fills `target` from the middle of a picture; halves round to even."""
    scale = max(target[0] / height, target[1] / width)
    resized = math.ceil(scale * height), math.ceil(scale * width)
    top, left = (round((have - want) / 2) for have, want in zip(resized, target, strict=True))
    return Crop(resized, top, left, target)

"""Marks on an input: where the cursor stands, where the stretch that is used starts and ends; knows no screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.front.trim import MIX, Trim

SOUND_STEP_S = 0.01
"""Between two places of the cursor in a recording."""


@dataclass(frozen=True, slots=True)
class Stretchable:
    """An input as its marks need it."""

    length_s: float
    pictures_s: Sequence[float] = ()
    """When each picture of a video comes, from the first on; () for a recording."""
    channels: int = 1
    """Of its sound."""

    @property
    def last(self) -> int:
        """The last place of the cursor."""
        return len(self.pictures_s) - 1 if self.pictures_s else max(0, int(self.length_s / SOUND_STEP_S))

    def moment(self, place: int) -> float:
        """The time of a place, as it is stored."""
        return round(self.pictures_s[place] if self.pictures_s else place * SOUND_STEP_S, 6)

    def place(self, moment_s: float) -> int:
        """The last place that does not come after a moment."""
        if not self.pictures_s:
            return max(0, min(self.last, int(moment_s / SOUND_STEP_S + 1e-6)))
        return max(0, sum(1 for time in self.pictures_s if time <= moment_s + 1e-6) - 1)


@dataclass(slots=True)
class Marks:
    """The cursor and the stretch; 0 as the end is the end of the file."""

    of: Stretchable
    start_s: float = 0.0
    end_s: float = 0.0
    channel: str = MIX
    at: int = field(default=0)

    @property
    def trim(self) -> Trim:
        """The stretch."""
        return Trim(self.start_s, self.end_s)

    @property
    def now_s(self) -> float:
        """Where the cursor stands."""
        return self.of.moment(self.at)

    def step(self, places: int) -> None:
        """Move the cursor; stops at the ends."""
        self.at = max(0, min(self.of.last, self.at + places))

    def leap(self, seconds: float) -> None:
        """Move the cursor by time, and by one place at least."""
        before = self.at
        self.at = self.of.place(max(0.0, self.now_s + seconds))
        if self.at == before:
            self.step(1 if seconds > 0 else -1)

    def start_here(self) -> None:
        """What is used begins at the cursor; an end that would come before it is forgotten."""
        self.start_s = self.now_s
        if self.end_s and self.end_s <= self.start_s:
            self.end_s = 0.0

    def end_here(self) -> None:
        """What is used ends at the cursor, with the picture it shows; a start that would come behind is forgotten."""
        if self.of.pictures_s:
            self.end_s = self.of.moment(self.at + 1) if self.at < self.of.last else 0.0
        else:
            self.end_s = self.now_s if self.at < self.of.last else 0.0
        if self.end_s and self.start_s >= self.end_s:
            self.start_s = 0.0

    def whole(self) -> None:
        """Cut nothing, mix all channels."""
        self.start_s = self.end_s = 0.0
        self.channel = MIX

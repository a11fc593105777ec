"""How the running job goes: plain figures from which the time left follows at any moment; knows no job and no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

RISE = 1.1
"""A time left that has grown by more than this is never shown without a word."""
DOUBT, SURE = 1.4, 1.6
"""Up to the first a change of speed may be an accident, from the second on it is believed whole."""
OVERDUE = 0.5
"""What is overdue is taken to need this share of its delay besides."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The running unit (a step, a piece of a decode, a stage without units) and what comes after it."""

    unit_s: float
    """What the whole unit is expected to take."""
    into_s: float = 0.0
    """Seconds of it that had passed at the report."""
    same_s: float = 0.0
    """Work after it that goes at the unit's own speed."""
    other_s: float = 0.0
    """Work after it whose speed says nothing about the unit's."""
    measured: bool = False
    """Whether the expectation rests on units of this very job."""
    doubt: float = 1.0
    """The truth lies within the time left divided and multiplied by this where nothing is known yet; 1: it is known."""
    doubtful_s: float = math.inf
    """Of the time left at the report, what more it may be: parts that are known count nothing."""
    least_s: float = math.inf
    """The shortest time left that was shown since the last word on why it grew."""
    stages: tuple[tuple[str, float], ...] = ()
    """(stage, seconds) still to come of every stage, in order."""
    unheard_s: float = 0.0
    """A report may be heard so much later than it is made: a unit that is overdue by no more may be done already."""

    def left_s(self, since_s: float = 0.0) -> float:
        """Seconds left, `since_s` after the report."""
        spent = self.into_s + since_s
        if spent > self.unit_s:
            spent = max(self.unit_s, spent - self.unheard_s)
        if spent <= self.unit_s or self.unit_s <= 0:
            return max(0.0, self.unit_s - spent) + self.same_s + self.other_s
        late = spent / self.unit_s
        change = believed(late, 1.0) if self.measured else late
        return (spent - self.unit_s) * OVERDUE + self.same_s * change + self.other_s

    def spread(self, since_s: float = 0.0) -> float:
        """The truth lies within the time left divided and multiplied by this, `since_s` after the report."""
        left_s = self.left_s(since_s)
        return min(self.doubt, 1 + self.doubtful_s / left_s) if left_s > 0 else 1.0

    def is_slower(self, since_s: float = 0.0) -> bool:
        """Whether the time left has grown by more than a tenth, which must be said."""
        return self.left_s(since_s) > RISE * self.shown_least_s(since_s)

    def shown_least_s(self, since_s: float) -> float:
        """The shortest time left that was shown, up to now."""
        until_due = max(0.0, min(since_s, self.unit_s - self.into_s))
        return min(self.least_s, self.left_s(until_due))


def believed(ratio: float, known: float) -> float:
    """The ratio to expect after one of `ratio` where those before are `known`: a small change counts half."""
    if known <= 0 or ratio <= 0:
        return ratio
    change = max(ratio / known, known / ratio)
    weight = min(1.0, max(0.5, 0.5 + (change - DOUBT) / (SURE - DOUBT) / 2))
    return known + (ratio - known) * weight

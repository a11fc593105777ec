"""Rests between steps while the GPU is too hot or slowed down; the sensor is a parameter, no screen is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

COOLER_C = 6
"""A rest ends once the GPU is cooler than the limit by this much."""
LONGEST_S = 600.0
"""A rest that helps no more than this is over: the step goes on, and the next edge tries again."""
LOOK_S = 1.0
"""Between two looks at the sensor."""


@dataclass(frozen=True, slots=True)
class Heat:
    """One look at the GPU."""

    temperature_c: int | None = None
    """None where the driver does not say."""
    is_slowed: bool = False
    """A thermal or a power bit is set: the clocks are lower than the work wants."""


ReadHeat = Callable[[], Heat | None]
"""None where there is no GPU that answers. Called on the inference thread."""


def no_heat() -> Heat | None:
    """The default sensor: nothing is known, so nothing rests."""
    return None


class HeatWatch:
    """Counts how long one job rested and how long it ran slowed down."""

    def __init__(self, read: ReadHeat, above_c: Callable[[], int], now: Callable[[], float]) -> None:
        """`above_c` is the limit of this moment, 0 for no rests."""
        self._read, self._above_c, self._now = read, above_c, now
        self._seen_at: float | None = None
        self._was_slowed = False
        self._heat: Heat | None = None
        self.rested_s = 0.0
        self.slowed_s = 0.0

    def see(self) -> Heat | None:
        """Look, and count the time since the last look as slowed when it was so then."""
        heat, now = self._read(), self._now()
        if self._seen_at is not None and self._was_slowed:
            self.slowed_s += now - self._seen_at
        self._seen_at, self._was_slowed = now, heat is not None and heat.is_slowed
        return heat

    def rest(self, wait: Callable[[float], object], tell: Callable[[float, int | None], None]) -> float:
        """Wait while the GPU is too hot or slowed, and return the seconds of it.

        `tell(seconds so far, degrees)` is called before each wait and may raise, which ends the rest.
        """
        began, limit, rested = self._now(), self._above_c(), False
        try:
            while limit and self._wants_rest(limit, resting=self._now() > began):
                if self._now() - began >= LONGEST_S:
                    break
                tell(self._now() - began, self._heat.temperature_c if self._heat else None)
                rested = True
                wait(LOOK_S)
                limit = self._above_c()
        finally:
            seconds = self._now() - began if rested else 0.0
            self.rested_s += seconds
            if rested:
                # A GPU that rests is not slowed down.
                self._seen_at = None
        return seconds

    def _wants_rest(self, limit: int, *, resting: bool) -> bool:
        self._heat = heat = self._read()
        if heat is None:
            return False
        if heat.temperature_c is not None and heat.temperature_c > (limit - COOLER_C if resting else limit):
            return True
        return heat.is_slowed

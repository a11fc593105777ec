"""The other ranks of a gang as their leader reaches them, wherever they are; pure types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the ranks of a gang meet, as its leader sees it."""

    address: str
    """'file:///...' on one host; 'tcp://HOST:PORT' on the network that joins the hosts."""
    link: str = ""
    """The leader's own address on that network."""
    listening: int | None = None
    """The leader's open socket at HOST:PORT."""


class Followers(Protocol):
    """Ranks 1, 2 ... of one gang. `wait` is called from a thread of its own, the rest from the leader's."""

    def begin(self) -> Meeting:
        """Wait until all have read their libraries and go to the meeting."""

    def post(self, letter: bytes) -> None:
        """Send all of them a letter; they take letters in the order in which they were sent."""

    def wait(self) -> None:
        """Return once one of them has ended, and end the others: each may be waiting for it inside a call."""

    def lost(self, timeout_s: float) -> tuple[int, str] | None:
        """A rank that ends within the time, and why in words; None when all go on."""

    @property
    def is_whole(self) -> bool:
        """Whether all of them are there."""

    def end(self) -> None:
        """End them at once."""


StartFollowers = Callable[[int, str, float], Followers]
"""(size of the gang, 'cpu' or 'cuda', seconds after which a silent rank counts as dead) -> its followers."""

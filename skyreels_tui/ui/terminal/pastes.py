"""How much a paste may bring: more is cut off before the terminal's parser, which keeps a list of every letter.

Knows nothing of fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.message import Message

MOST_PASTED = 1 << 16
"""Characters; no prompt of 512 tokens and no list of files that a person pastes is longer."""
FLOOD = 512
"""Letters that come at once: nobody types so many, so they are a paste of a terminal that marks none."""
_START, _END = "\x1b[200~", "\x1b[201~"


class PasteCut:
    """Passes on what a terminal sends, of each paste one character more than may be taken.

    That one tells a field that the paste was longer. A terminal that marks no pastes sends letters, many at once:
    each such piece is passed on as a paste, so that a line break in it is text and not the Enter key.
    """

    def __init__(self, most: int = MOST_PASTED) -> None:
        self._most = most
        self._inside = self._flooded = False
        self._room = 0
        self._last = ""
        """The end of what came last, which may be the beginning of a mark; inside a paste it is held back."""

    def __call__(self, data: str) -> str:
        """Return what is passed on of the next piece."""
        passed: list[str] = []
        while data:
            data = self._in_paste(data, passed) if self._inside else self._between(data, passed)
        return "".join(passed)

    def _between(self, data: str, passed: list[str]) -> str:
        # Nothing is held back: the escape key is the beginning of a mark too.
        seen = self._last + data
        place = seen.find(_START)
        if place < 0:
            if "\x1b" not in seen and (self._flooded or len(data) >= FLOOD):
                self._flood(data, passed)
                return ""
            passed.append(data)
            self._flooded = False
            self._last = seen[1 - len(_START) :]
            return ""
        begins = place + len(_START) - len(self._last)
        passed.append(data[:begins])
        self._inside, self._flooded, self._room, self._last = True, False, self._most + 1, ""
        return data[begins:]

    def _flood(self, data: str, passed: list[str]) -> None:
        if not self._flooded:
            self._room = self._most + 1
        # The last piece of a flood is a short one.
        self._flooded = len(data) >= FLOOD
        if self._room:
            passed.append(_START + data[: self._room] + _END)
        self._room -= min(self._room, len(data))
        self._last = ""

    def _in_paste(self, data: str, passed: list[str]) -> str:
        seen = self._last + data
        text, end, rest = seen.partition(_END)
        if end:
            self._inside, self._last = False, ""
        else:
            held = next(size for size in range(len(_END) - 1, -1, -1) if seen.endswith(_END[:size]))
            text, self._last = seen[: len(seen) - held], seen[len(seen) - held :]
        passed.append(text[: self._room] + end)
        self._room -= min(self._room, len(text))
        return rest


class BoundedParser(XTermParser):
    """The terminal's parser behind a `PasteCut`."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._cut = PasteCut()

    def feed(self, data: str) -> Iterable[Message]:
        """Parse the next piece; an empty one is the end."""
        passed = self._cut(data)
        # Nothing left of a piece is not the end.
        return super().feed(passed) if passed or not data else ()


def bound_pastes(driver: type[Driver]) -> None:
    """Make the terminals that `driver` will open bounded: it offers no other place for that."""
    names = vars(sys.modules[driver.__module__])
    if "XTermParser" in names:
        names["XTermParser"] = BoundedParser

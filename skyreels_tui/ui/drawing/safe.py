"""The one gate between text from outside and the terminal; knows nothing about where the text came from."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter

from skyreels_tui.words.safe_text import LINE_LIMIT, LONGEST_PATH, safe, without_steering

__all__ = ["LINE_LIMIT", "column", "cut", "cut_path", "plain", "safe"]


def plain(text: str, style: str = "", limit: int = LINE_LIMIT) -> Content:
    """Return `text` made safe, as content that is never parsed as markup."""
    return Content.styled(safe(text, limit), style) if style else Content(safe(text, limit))


def cut(text: str, width: int) -> str:
    """Make `text` safe and shorten it to `width` cells, with … where something is missing."""
    content = Content(safe(text, max(width * 2, 8)))
    return content.truncate(width, ellipsis=True).plain if content.cell_length > width else content.plain


def column(text: str, width: int, *, right: bool = False) -> str:
    """Make `text` safe and exactly `width` cells wide, cut or filled; `right` puts it at the right end."""
    shown = cut(text, width)
    gap = " " * max(0, width - Content(shown).cell_length)
    return gap + shown if right else shown + gap


def cells(*texts: str) -> int:
    """Cells of the widest of `texts`: columns are as wide as their words in the chosen language."""
    return max((Content(text).cell_length for text in texts), default=0)


def cut_path(path: str, width: int) -> str:
    """Shorten a path from the left, so that the file name stays."""
    shown = safe(path, LONGEST_PATH)
    if Content(shown).cell_length <= width:
        return shown
    while shown and Content(shown).cell_length > width - 1:
        shown = shown[1:]
    return f"…{shown}"


class ControlFilter(LineFilter):
    """The last gate before the terminal: drops whatever could steer it from every line of every widget.

    Text is made safe where it is drawn; editors draw what is typed or pasted, and this holds for them too.
    Dropped characters have no width, so nothing moves.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without controls, bidirectional marks and lone surrogates."""
        return [
            segment
            if segment.control is not None or segment.text.isprintable()
            else Segment(without_steering(segment.text), segment.style, segment.control)
            for segment in segments
        ]

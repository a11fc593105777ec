"""No colours at all, for terminals and people that want none (`NO_COLOR`); knows nothing of what draws them."""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

REVERSE = Style(reverse=True)


class Colourless(LineFilter):
    """Bold, dim, underlined and reversed stay; what stood out by the background of a panel is reversed."""

    def __init__(self, panel: str) -> None:
        """`panel` is the background of bars, of the focused field and of the selected row."""
        super().__init__()
        raised = Color.parse(panel).rich_color

        @lru_cache(1024)
        def bare(style: Style) -> Style:
            # Cursor and selected text within a reversed line have another background, and stand out by staying as is.
            return style.without_color + REVERSE if style.bgcolor == raised else style.without_color

        self._bare = bare

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the same text without colours."""
        return [
            segment if segment.style is None else Segment(segment.text, self._bare(segment.style), segment.control)
            for segment in segments
        ]

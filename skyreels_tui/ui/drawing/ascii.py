"""Frames, bars and marks in plain ASCII, at the last gate before the terminal; knows nothing of what draws them."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_PAIRS = {"…": "~", "·": "-", "•": "*", "×": "x", "✓": "+", "✗": "!", "●": "*", "○": "o", "◇": "<", "‖": "=", "◌": "~",
          "⊘": "/", "▸": ">", "▾": "v", "‹": "[", "›": "]", "→": ">", "←": "<", "↑": "^", "↓": "v", "°": " ",
          "│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "-", "╸": "-", "╺": "-"}  # fmt: skip
_TABLE = str.maketrans(
    {chr(code): "+" for code in range(0x2500, 0x2580)} | {chr(code): "#" for code in range(0x2580, 0x25A0)} | _PAIRS
)
"""One cell for one cell. Letters of any language stay: they are text, not symbols."""


class AsciiFilter(LineFilter):
    """Replaces what a terminal without Unicode fonts cannot draw, also in widgets that bring their own frames."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with the same widths."""
        return [
            segment
            if segment.control is not None or segment.text.isascii()
            else Segment(segment.text.translate(_TABLE), segment.style, segment.control)
            for segment in segments
        ]

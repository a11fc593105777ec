"""Lines of facts that break between two facts, never inside one."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from skyreels_tui.ui.redraw import draw_anew


class FactLines(Widget):
    """Groups of facts, each beginning on a line of its own."""

    DEFAULT_CSS = """
    FactLines { height: auto; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: tuple[tuple[tuple[str, ...], str], ...] = ()

    def show(self, *groups: tuple[Sequence[str], str]) -> None:
        """Replace everything: (facts, style) a group; the facts are safe text."""
        shown = tuple((tuple(facts), style) for facts, style in groups)
        if shown != self._groups:
            self._groups = shown
            draw_anew(self)

    def render(self) -> Content:
        """The lines at the current width."""
        return Content("\n").join(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as that takes."""
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        return [
            Content.styled(line, style) if style else Content(line)
            for facts, style in self._groups
            for line in wrap_facts(facts, width)
        ]


def wrap_facts(facts: Sequence[str], width: int, gap: str = " · ") -> list[str]:
    """Put as many facts on each line as fit in `width` cells; a longer one is broken between its words."""
    lines: list[str] = []
    for fact in facts:
        if Content(fact).cell_length > width > 0:
            lines += [line.plain for line in Content(fact).wrap(width)]
        elif lines and Content(lines[-1] + gap + fact).cell_length <= width:
            lines[-1] += gap + fact
        else:
            lines.append(fact)
    return lines

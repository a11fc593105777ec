"""Fields that most people never touch, behind one line that says what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from pipelines.front.fields import Choice, Files, Flag, untouched
from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import FIELDS, bindings
from skyreels_tui.ui.widgets.fields.base import Field

ROOM = 17
"""Lines that a form has for its fields on the smallest terminal it is made for."""


class MoreLine(Widget, can_focus=True):
    """The line that opens and closes them."""

    DEFAULT_CSS = """
    MoreLine { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    MoreLine:focus { background: $panel; color: $primary; text-style: bold; }
    """

    BINDINGS = bindings(FIELDS, "toggle_more")

    def action_toggle_more(self) -> None:
        """Open or close."""
        more = self.parent
        if isinstance(more, More):
            more.open = not more.open

    def on_key(self, event: events.Key) -> None:
        """Space does the same; arrows go on."""
        if event.key == "space":
            event.stop()
            self.action_toggle_more()

    def on_click(self) -> None:
        """A click too."""
        self.action_toggle_more()

    def render(self) -> Content:
        """An arrow and the values."""
        more = self.parent
        opened = isinstance(more, More) and more.open
        glyphs = hub(self).glyphs
        summary = more.summary() if isinstance(more, More) and not opened else ""
        mark, word = glyphs.open if opened else glyphs.closed, tr("More")
        return Content.assemble(f"{mark} {word}   ", (safe(summary), "$text-muted"))


class More(Widget):
    """The line and the fields below it."""

    DEFAULT_CSS = """
    More { height: auto; layout: vertical; }
    More > Vertical { height: auto; padding: 0 0 0 2; display: none; }
    More.-open > Vertical { display: block; }
    """

    open: reactive[bool] = reactive(False)

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self._fields = list(fields)

    def compose(self) -> ComposeResult:
        """The line, then the fields."""
        yield MoreLine()
        with Vertical():
            yield from self._fields

    def on_mount(self) -> None:
        """Follow the height of the form: the scroll bar that comes makes other lines break."""
        if isinstance(self.parent, Widget):
            self.watch(self.parent, "virtual_size", self._stay_in_sight, init=False)

    def _stay_in_sight(self) -> None:
        if self.open and self.query_one(MoreLine).has_focus:
            self.call_after_refresh(self._into_sight)

    def watch_open(self, is_open: bool) -> None:
        """Show or hide."""
        self.set_class(is_open, "-open")
        self.refresh_summary()
        if is_open:
            self.call_after_refresh(self._into_sight)

    def _into_sight(self) -> None:
        """All that has opened comes into sight where it fits, else its beginning: it stands at the end of its form."""
        if self.open and isinstance(self.parent, Widget):
            bring = self.parent.scroll_end if self.size.height <= ROOM else self.scroll_visible
            bring(animate=False, immediate=True)

    def refresh_summary(self) -> None:
        """Draw the line again."""
        if self.is_mounted:
            self.query_one(MoreLine).refresh()

    def summary(self) -> str:
        """Numbers with their names, flags that are on, other values as they are; not what goes unsaid."""
        parts = []
        for field in self._fields:
            value = field.value if field.is_mounted else field.initial
            label = tr(field.spec.label).lower()
            if untouched(field.spec, value):
                continue
            if isinstance(field.spec, Flag):
                parts += [label] if value else []
            elif isinstance(field.spec, Choice):
                words = dict(field.spec.options)
                parts += [f"{label} {tr(words[str(value)])}"] if value in words and value != field.spec.unsaid else []
            elif isinstance(field.spec, Files):
                names = [Path(str(one)).name for one in value] if isinstance(value, tuple) else []
                parts += [f"{label} {', '.join(names)}"] if names else []
            elif value not in ("", None):
                parts.append(f"{label} {value}")
        return " · ".join(parts)

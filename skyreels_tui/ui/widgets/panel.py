"""The frame that every live panel shares: a numbered border, a focus mark, and a one-line folded form."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.visual import Visual
from textual.widget import Widget

from pipelines.front.language import tr
from skyreels_tui.ui.keys import Scope
from skyreels_tui.ui.widgets.panel_spec import PanelSpec


class Panel(Widget, can_focus=True):
    """A panel draws itself twice: `body` inside a border, or `line` when folded on a small terminal.

    A subclass subscribes to the app's signals in `on_mount`, keeps what it needs in plain attributes and
    calls `refresh()`; `set_title` changes the words after the number in the border.
    """

    DEFAULT_CSS = """
    Panel {
        border: round $border-blurred;
        border-title-color: $text-muted;
        padding: 0 1;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        height: auto;
        width: 1fr;
        &:focus { border: round $border; border-title-color: $foreground; border-title-style: bold; }
        &.-folded { border: none; height: 1; width: auto; padding: 0 1 0 0; }
        &.-folded:focus { background: $surface; text-style: bold; }
        &:nocolor:focus { border-title-style: reverse; }
        &.-folded:nocolor:focus { background: $panel; }
    }
    """

    SPEC: ClassVar[PanelSpec | None] = None
    """Its entry among the panels; None for what looks like one and stands on a screen of its own."""
    KEYS: ClassVar[Scope | None] = None
    """The keys that it has to itself."""

    folded: reactive[bool] = reactive(False, layout=True)
    """One line, no border."""

    _detail = ""

    def on_mount(self) -> None:
        """Write the title; subclasses subscribe here after calling super."""
        self.set_title("")

    def set_title(self, detail: str) -> None:
        """Show number, label and `detail` in the border."""
        self._detail = detail
        key, label = (self.SPEC.key, tr(self.SPEC.label)) if self.SPEC is not None else ("", "")
        words = " · ".join(part for part in (label, detail) if part)
        # Content is never parsed as markup; a label typed by a person may be part of the detail.
        self.border_title = Content(f"{key} {words}" if key else words)

    def retitle(self) -> None:
        """Write the border again: the language may be another one."""
        Panel.set_title(self, self._detail)

    def watch_folded(self, folded: bool) -> None:
        """Mark the fold for the style sheet."""
        self.set_class(folded, "-folded")

    def render(self) -> Visual:
        """Draw what the panel says; a picture in its place is for a subclass."""
        return self.in_words()

    def in_words(self) -> Content:
        """The folded line or the body at the current size."""
        width, height = self.content_size
        return self.line(max(width, 1)) if self.folded else self.body(max(width, 1), max(height, 1))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Folded panels share one row: each takes what its line needs."""
        return self.line(max(container.width, 1)).cell_length if self.folded else container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as the body draws."""
        return 1 if self.folded else self.body(max(width, 1), max(container.height, 1)).plain.count("\n") + 1

    def line(self, width: int) -> Content:
        """One line for a small terminal; `width` is what the container offers, use less."""
        return self.body(width, 1)

    def body(self, width: int, height: int) -> Content:
        """The panel's content for `width` x `height` cells; colours only as theme variables ('$success')."""
        raise NotImplementedError

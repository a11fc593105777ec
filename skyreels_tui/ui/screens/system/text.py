"""A text on a screen of its own, in one piece, to be selected with the mouse."""

from __future__ import annotations

from rich.cells import chop_cells
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from pipelines.front.language import tr
from skyreels_tui.ui.internals import mouse_off, mouse_on, write_sequence
from skyreels_tui.ui.keys import TEXT, bindings
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.words.safe_text import safe

TOP = 2
"""Line of the terminal, counted from 1, on which the text begins: under the title."""


class WholeText(Widget):
    """The text from edge to edge, broken only where the line ends."""

    DEFAULT_CSS = "WholeText { height: 1fr; width: 1fr; }"

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = safe(text, len(text) + 1)

    def compose(self) -> ComposeResult:
        """No children."""
        return ()

    def render(self) -> Content:
        """As much as there is room for."""
        return Content("\n").join(map(Content, self._rows()))

    def sequence(self) -> str:
        """Writes the same letters over those that stand there, and lets the terminal break the line.

        A terminal copies as one line what it has broken itself; lines that a program places are several.
        """
        # Textual has switched off that the terminal breaks lines.
        return f"\x1b[{TOP};1H\x1b[0m\x1b[?7h{''.join(self._rows())}\x1b[?7l"

    def _rows(self) -> list[str]:
        return chop_cells(self._text, max(1, self.size.width))[: max(1, self.size.height)]


class TextScreen(Screen[None]):
    """Nothing else draws while it stands, and the mouse is the terminal's."""

    BINDINGS = bindings(TEXT)

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """What to do with it, the text, the way out."""
        yield Static(Content.styled(tr("Select it with the mouse and copy it there"), "bold $primary"), classes="bar")
        yield WholeText(self._text)
        yield KeyBar()

    def on_mount(self) -> None:
        """The mouse selects now."""
        mouse_off(self.app)

    def on_unmount(self) -> None:
        """And clicks again."""
        mouse_on(self.app)

    def drawn(self) -> None:
        """In one piece, over the lines that have just been placed."""
        for text in self.query(WholeText):
            write_sequence(self.app, text.sequence())

    def action_back(self) -> None:
        """Back to where it came from."""
        self.dismiss()

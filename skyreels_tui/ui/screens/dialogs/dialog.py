"""The frame of a question: a small box over the screen, answered with one key."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """Shows a title and some lines; subclasses bind the keys that answer."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 72; max-width: 95%; height: auto; max-height: 90%; padding: 1 2;
        background: $surface; border: round $primary;
    }
    Dialog .title { text-style: bold; }
    """

    def __init__(self, title: Content, text: Content) -> None:
        super().__init__()
        self._title_text, self._text = title, text

    def compose(self) -> ComposeResult:
        """Title, text and keys."""
        with Vertical():
            yield Static(self._title_text, classes="title")
            yield Static(self._text, id="dialog-text")
            yield Static(self.choices(), id="dialog-choices")
        yield KeyBar()

    def choices(self) -> Content:
        """The answers with their keys, one a line."""
        raise NotImplementedError

    def set_text(self, text: Content) -> None:
        """Replace the lines."""
        show_in(self.query_one("#dialog-text", Static), text)


def answer_lines(*answers: tuple[str, str]) -> Content:
    """(key, what it does) pairs as lines."""
    lines = [Content.assemble("\n", (f"{key:>6}", "bold $primary"), f"  {words}") for key, words in answers]
    return Content("").join(lines)

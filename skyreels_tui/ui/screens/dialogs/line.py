"""A question that a line of text answers."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keys import LINE, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar


class AnswerInput(LineInput):
    """Enter keeps what stands here."""

    BINDINGS = bindings(LINE, "keep")

    async def action_keep(self) -> None:
        """Hand the text to the screen."""
        await self.action_submit()


class LineScreen(Dialog[str]):
    """Answers with the text without spaces around it; '' when nothing is to change."""

    BINDINGS = bindings(LINE, "back")

    def __init__(self, question: str, detail: str, value: str = "") -> None:
        super().__init__(plain(question), plain(detail, "$text-muted"))
        self._value = value

    def compose(self) -> ComposeResult:
        """The question and its line."""
        with Vertical():
            yield Static(self._title_text, classes="title")
            yield Static(self._text, id="dialog-text")
            yield AnswerInput(self._value, id="dialog-line")
            yield Static(Content(""), id="dialog-choices")
        yield KeyBar()

    @on(Input.Submitted)
    def _on_kept(self) -> None:
        self.dismiss(self.query_one(AnswerInput).value.strip())

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss("")

"""Asks for a note on videos: a few words that the list shows and the search finds."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from pipelines.front.language import tr, trn
from skyreels_tui.ui.keys import NOTE, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar


class NoteInput(LineInput):
    """The line of the note."""

    BINDINGS = bindings(NOTE, "keep")

    async def action_keep(self) -> None:
        """Hand the note to the screen."""
        await self.action_submit()


class NoteScreen(Dialog[str]):
    """Answers with the note, '' to take it away; None leaves all as it is."""

    BINDINGS = bindings(NOTE, "back")

    def __init__(self, note: str, count: int) -> None:
        words = tr("It is kept beside the video, and the search finds it; an empty line takes it away.")
        super().__init__(Content(trn("Note on this video", "Note on {count} videos", count)), Content(words))
        self._note = note

    def compose(self) -> ComposeResult:
        """The note in a line."""
        with Vertical():
            yield Static(self._title_text, classes="title")
            yield Static(self._text, id="dialog-text")
            yield NoteInput(self._note, id="dialog-note")
        yield KeyBar()

    @on(Input.Submitted)
    def _on_kept(self, event: Input.Submitted) -> None:
        self.dismiss(" ".join(event.value.split()))

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss(None)

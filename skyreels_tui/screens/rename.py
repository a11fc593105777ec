"""Asks for another name for a video; a name that cannot be is refused while it is typed."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from pipelines.language import tr
from skyreels_tui.gallery import name_problem
from skyreels_tui.keys import RENAME, bindings
from skyreels_tui.screens.dialog import Dialog
from skyreels_tui.widgets.fields.text import LineInput
from skyreels_tui.widgets.keybar import KeyBar
from skyreels_tui.widgets.safe import plain


class RenameScreen(Dialog[str]):
    """Answers with the new name without its ending, '' when nothing is to change."""

    BINDINGS = bindings(RENAME)

    def __init__(self, video: Path) -> None:
        super().__init__(Content(tr("Rename this video")), plain(video.name, "$text-muted"))
        self._file = video

    def compose(self) -> ComposeResult:
        """The name in a line, and what is wrong with it."""
        with Vertical():
            yield Static(self._title_text, classes="title")
            yield Static(self._text, id="dialog-text")
            yield LineInput(self._file.stem, id="dialog-name")
            yield Static(Content(""), id="dialog-choices")
        yield KeyBar()

    @property
    def _typed(self) -> str:
        return self.query_one(LineInput).value.strip().removesuffix(".mp4")

    @on(Input.Changed)
    def _on_changed(self) -> None:
        problem = name_problem(self._file, self._typed)
        self.query_one("#dialog-choices", Static).update(plain(problem, "$text-error"))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a name that can be is kept."""
        return action != "keep" or (self.is_mounted and not name_problem(self._file, self._typed))

    def action_keep(self) -> None:
        """Answer with the name."""
        self.dismiss(self._typed)

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss("")

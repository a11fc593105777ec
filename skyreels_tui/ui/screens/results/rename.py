"""Asks for another name for a video; a name that cannot be is refused while it is typed."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from pipelines.front.language import tr
from skyreels_tui.results.gallery import name_problem
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keys import RENAME, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar


class NameInput(LineInput):
    """The line of the name; Enter keeps one that can be."""

    BINDINGS = bindings(RENAME, "keep")

    def __init__(self, video: Path) -> None:
        super().__init__(video.stem, id="dialog-name")
        self._video = video

    @property
    def problem(self) -> str:
        """Why the video cannot get this name, or ''."""
        return name_problem(self._video, self.typed)

    @property
    def typed(self) -> str:
        """The name without its ending."""
        return self.value.strip().removesuffix(".mp4")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a name that can be is kept."""
        return action != "keep" or not self.problem

    async def action_keep(self) -> None:
        """Hand the name to the screen."""
        await self.action_submit()


class RenameScreen(Dialog[str]):
    """Answers with the new name without its ending, '' when nothing is to change."""

    BINDINGS = bindings(RENAME, "back")

    def __init__(self, video: Path) -> None:
        super().__init__(Content(tr("Rename this video")), plain(video.name, "$text-muted"))
        self._file = video

    def compose(self) -> ComposeResult:
        """The name in a line, and what is wrong with it."""
        with Vertical():
            yield Static(self._title_text, classes="title")
            yield Static(self._text, id="dialog-text")
            yield NameInput(self._file)
            yield Static(Content(""), id="dialog-choices")
        yield KeyBar()

    @on(Input.Changed)
    def _on_changed(self) -> None:
        problem = self.query_one(NameInput).problem
        show_in(self.query_one("#dialog-choices", Static), plain(problem, "$text-error"))
        self.refresh_bindings()

    @on(Input.Submitted)
    def _on_kept(self) -> None:
        line = self.query_one(NameInput)
        if not line.problem:
            self.dismiss(line.typed)

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss("")

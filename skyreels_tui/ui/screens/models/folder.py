"""Asks for a folder of one's own that holds a checkpoint."""

from __future__ import annotations

from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pipelines.checkpoints.registry import Checkpoint
from pipelines.checkpoints.shelf import families_in
from pipelines.front.language import tr
from pipelines.front.places import is_folder
from skyreels_tui.requests import typed_paths
from skyreels_tui.ui.drawing.safe import plain, safe
from skyreels_tui.ui.keys import MODEL_FOLDER, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.workers import hand_over

SHOWN = 6
"""Completions listed at once."""


class FolderScreen(ModalScreen[str]):
    """Answers with the folder once it holds what a task needs; '' when it is left."""

    BINDINGS = bindings(MODEL_FOLDER)
    DEFAULT_CSS = Dialog.DEFAULT_CSS.replace("Dialog", "FolderScreen")

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._checkpoint = checkpoint

    def compose(self) -> ComposeResult:
        """Title, the line, what is wrong or how it could go on."""
        with Vertical():
            yield Static(plain(tr("Use {model} from a folder", model=self._checkpoint.title)), classes="title")
            yield Static(plain(tr("The folder itself is never written to or removed.")))
            yield LineInput(placeholder=tr("path of the folder"))
            yield Static(Content(""), id="folder-note")
        yield KeyBar()

    def _note(self, text: str, style: str = "$text-muted") -> None:
        if self.is_mounted:
            show_in(self.query_one("#folder-note", Static), Content.styled(text, style))

    @on(Input.Changed)
    def _on_changed(self) -> None:
        self._note("")

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._note(tr("Looking …"))
            self._look(typed_paths.expand(event.value))

    @work(thread=True, exclusive=True)
    def _look(self, path: str) -> None:
        problem = folder_problem(path, self._checkpoint)
        hand_over(self, self._answer, path, problem)

    def _answer(self, path: str, problem: str) -> None:
        if problem:
            self._note(safe(problem, 300), "$text-error")
        elif self.is_mounted:
            self.dismiss(path)

    async def action_submit(self) -> None:
        """Look at the typed folder, wherever the focus is."""
        await self.query_one(LineInput).action_submit()

    def action_complete(self) -> None:
        """Complete the path as far as it is clear, and list the ways on."""
        line = self.query_one(LineInput)
        ways = [way for way in typed_paths.complete(line.value, "image") if way.endswith("/")]
        start = typed_paths.common_start(ways)
        if len(start) > len(line.value):
            line.value = start
            line.cursor_position = len(start)
        names = [safe(Path(way).name, 60) + "/" for way in ways[:SHOWN]]
        self.call_after_refresh(self._note, "\n".join(names) if len(ways) > 1 else "")

    def action_back(self) -> None:
        """Leave."""
        self.dismiss("")


def folder_problem(path: str, checkpoint: Checkpoint) -> str:
    """Why no task could use the checkpoint from this folder, in words, or ''."""
    try:
        if not is_folder(Path(path)):
            return tr("{path} is no folder", path=path)
        if families_in(Path(path), checkpoint.family):
            return ""
    except (OSError, ValueError) as error:
        return tr("{path} cannot be read: {why}", path=path, why=error)
    return tr("{path} holds no whole {family} that a task can use", path=path, family=checkpoint.family)

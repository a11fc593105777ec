"""A yes-or-no question about something that cannot be undone."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keys import CONFIRM, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog, answer_lines


class ConfirmScreen(Dialog[bool]):
    """y does it; Enter alone does nothing, so that a key too many costs nothing."""

    BINDINGS = bindings(CONFIRM)

    def __init__(self, question: str, detail: str, *, yes: str) -> None:
        super().__init__(plain(question), plain(detail))
        self._yes = yes

    def choices(self) -> Content:
        """Yes or no."""
        return answer_lines(("y", self._yes), ("Esc", tr("leave everything as it is")))

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(True)

    def action_no(self) -> None:
        """Do nothing."""
        self.dismiss(False)

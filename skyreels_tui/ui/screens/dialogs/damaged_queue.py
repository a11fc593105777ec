"""Asked when the queue's file cannot be used: the last good copy, a new queue, or nothing."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keys import UNUSABLE, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog, answer_lines


class UnusableScreen(Dialog[str]):
    """Answers 'restore', 'new' or 'quit'. Nothing on the disk changes before an answer."""

    BINDINGS = bindings(UNUSABLE)

    def __init__(self, path: str, what: str, backup: str) -> None:
        """`path`: the queue's file; `what`: why it cannot be used; `backup`: name of the newest good copy, or ''."""
        self._backup = backup
        stays = tr("What is there stays on the disk under another name, whatever you choose.")
        copy = [tr("Last good copy: {name}", name=backup)] if backup else []
        lines = Content("\n").join([plain(line) for line in (path, what, stays, *copy)])
        super().__init__(plain(tr("The queue cannot be read")), lines)

    def choices(self) -> Content:
        """What may be done about it."""
        new = ("n", tr("begin with an empty queue"))
        leave = ("q", tr("leave and change nothing"))
        if not self._backup:
            return answer_lines(new, leave)
        return answer_lines(("r", tr("go on with the last good copy")), new, leave)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No copy, no key for it."""
        return bool(self._backup) if action == "restore" else True

    def action_restore(self) -> None:
        """Take the copy."""
        self.dismiss("restore")

    def action_start_new(self) -> None:
        """Begin anew."""
        self.dismiss("new")

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss("quit")

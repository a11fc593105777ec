"""Asks what a frame of a video shall begin."""

from __future__ import annotations

from typing import Literal

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.keys import STILL, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog, answer_lines

StillUse = Literal["reference", "portrait", "held", ""]


class StillScreen(Dialog[StillUse]):
    """Answers with the use; '' when the picture is all that was wanted."""

    BINDINGS = bindings(STILL)

    def __init__(self, name: str) -> None:
        super().__init__(Content(tr("Start again from this frame")), plain(name, "$text-muted"))

    def choices(self) -> Content:
        """The three uses."""
        return answer_lines(
            ("r", tr("a reference of a new video")),
            ("p", tr("the portrait of a talking avatar")),
            ("v", tr("the start of a video: held 25 frames, then continued (experimental)")),
            ("Esc", tr("only the picture, which lies beside the video")),
        )

    def action_reference(self) -> None:
        """A reference."""
        self.dismiss("reference")

    def action_portrait(self) -> None:
        """A portrait."""
        self.dismiss("portrait")

    def action_held(self) -> None:
        """The start of a video."""
        self.dismiss("held")

    def action_back(self) -> None:
        """Only the picture."""
        self.dismiss("")

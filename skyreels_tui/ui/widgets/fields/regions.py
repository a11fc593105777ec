"""Regions of a picture: typed as boxes in one line, or drawn over the picture by whoever shows it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.message import Message

from pipelines.front.fields import Regions
from pipelines.front.language import tr
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import FIELDS, bindings
from skyreels_tui.ui.widgets.fields.text import LineField, LineInput


class RegionsField(LineField):
    """One line of boxes and a key that draws them."""

    BINDINGS = bindings(FIELDS, "draw")

    spec: Regions

    class Draw(Message):
        """The regions are to be drawn over the picture of another field."""

        def __init__(self, field: RegionsField) -> None:
            self.field = field
            super().__init__()

    def controls(self) -> ComposeResult:
        """One input that says how it is filled."""
        draws = tr("boxes in per cent of the portrait: {key} draws them", key=hub(self).key("fields.draw"))
        yield LineInput(str(self.initial), placeholder=draws)

    def action_draw(self) -> None:
        """Ask for them to be drawn."""
        self.post_message(self.Draw(self))

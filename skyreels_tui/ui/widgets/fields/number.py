"""A number with its unit and range, and a key that draws a random one where that makes sense."""

from __future__ import annotations

import random

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from pipelines.front.fields import Number
from pipelines.front.language import tr
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import FIELDS, bindings
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.text import LineInput

RANDOM_BELOW = 2**31
"""Random seeds stay short enough to read aloud."""


class NumberInput(LineInput):
    """The input of a number."""

    DEFAULT_CSS = """
    NumberInput { width: 24; }
    """

    BINDINGS = bindings(FIELDS, "random")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only some numbers may be drawn."""
        return not (action == "random" and not self.randomisable)

    def __init__(self, value: str, randomisable: bool) -> None:
        self.randomisable = randomisable
        super().__init__(value)

    def action_random(self) -> None:
        """Draw a new value."""
        self.value = str(random.randrange(RANDOM_BELOW))
        self.cursor_position = len(self.value)


class NumberField(Field):
    """A number; what cannot be read stays as typed, for the request's own words."""

    DEFAULT_CSS = """
    NumberField Horizontal { height: 1; }
    NumberField .hint { width: 1fr; color: $text-muted; padding: 0 0 0 1; }
    """

    spec: Number

    def controls(self) -> ComposeResult:
        """Input and hint."""
        with Horizontal():
            yield NumberInput(_shown(self.initial), self.spec.randomisable)
            yield Static(Content(self._hint()), classes="hint")

    def _hint(self) -> str:
        spec = self.spec
        if spec.randomisable:
            return tr("{key} random", key=hub(self).key("fields.random"))
        if spec.unit:
            return tr("{low:g} to {high:g} {unit}", low=spec.minimum, high=spec.maximum, unit=spec.unit)
        return tr("{low:g} to {high:g}", low=spec.minimum, high=spec.maximum)

    @property
    def value(self) -> object:
        """A number where the text is one, else the text."""
        text = self.query_one(NumberInput).value.strip()
        try:
            return int(text)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            return text

    def set_value(self, value: object) -> None:
        """Replace the text."""
        self.query_one(NumberInput).value = _shown(value)

    @on(Input.Changed)
    def _on_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != _shown(self.initial) or self.touched:
            self.changed()

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()


def _shown(value: object) -> str:
    # Whatever a person typed comes back as it was: to the millionth of a second of a day.
    return f"{value:.12g}" if isinstance(value, float) else str(value)

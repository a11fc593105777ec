"""What every field of a form shares: label left, control right, its problem in words underneath."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from pipelines.front.fields import FieldSpec
from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.redraw import show_in


class Field(Widget):
    """One field; `value` is what was typed, right or wrong: the request says what is wrong with it."""

    DEFAULT_CSS = """
    Field {
        layout: horizontal; height: auto; width: 1fr;
        & > .label { width: 18; padding: 0 1 0 0; color: $text-muted; }
        &.-active > .label { color: $primary; text-style: bold; }
        & > Vertical { height: auto; width: 1fr; }
        & .problem { display: none; color: $text-error; width: 1fr; }
        &.-wrong .problem { display: block; }
        &.-locked .problem { display: block; color: $text-muted; }
    }
    """

    class Changed(Message):
        """The value is another one now."""

        def __init__(self, field: Field) -> None:
            self.field = field
            super().__init__()

    class Focused(Message):
        """The field has the keys now."""

        def __init__(self, field: Field) -> None:
            self.field = field
            super().__init__()

    def __init__(self, name: str, spec: FieldSpec, value: object) -> None:
        super().__init__(id=f"field-{name}", name=name)
        self.field_name, self.spec, self.initial = name, spec, value
        self.touched = False
        """A person has been here: from then on its problems are shown."""
        self._problem = ""

    def compose(self) -> ComposeResult:
        """Label, then the controls above the line for the problem."""
        yield Static(Content(tr(self.spec.label)), classes="label")
        with Vertical():
            yield from self.controls()
            yield Static(Content(""), classes="problem")

    def controls(self) -> ComposeResult:
        """The widgets that hold the value."""
        raise NotImplementedError

    @property
    def value(self) -> object:
        """What was typed, in the request's type where it can be read."""
        raise NotImplementedError

    def set_value(self, value: object) -> None:
        """Replace what was typed."""
        raise NotImplementedError

    def changed(self) -> None:
        """Subclasses call this after each change by a person."""
        self.touched = True
        self.post_message(self.Changed(self))

    def show_problem(self, message: str) -> None:
        """Show what is wrong under the control, or nothing."""
        if message == self._problem:
            # Words that are written again lay the whole form out again.
            return
        self._problem = message
        mark = getattr(self.app, "glyphs", None)
        cross = mark.cross if mark is not None else "!"
        show_in(self.query_one(".problem", Static), Content(f"{cross} {safe(message, 300)}" if message else ""))
        self.set_class(bool(message), "-wrong")

    def show_only(self, reason: str) -> None:
        """Show the value with the reason why it cannot be changed here."""
        self.disabled = True
        show_in(self.query_one(".problem", Static), Content(safe(reason, 300)))
        self.add_class("-locked")

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Tell the form, which shows this field's help."""
        self.set_class(True, "-active")
        self.post_message(self.Focused(self))

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """A field that was left may show its problem."""
        self.set_class(False, "-active")
        if not self.touched:
            self.touched = True
            self.post_message(self.Changed(self))

"""One of a few words in a row, and yes or no."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from pipelines.front.fields import FieldSpec
from pipelines.front.language import mark, tr
from skyreels_tui.ui.drawing.glyphs import UNICODE, Glyphs
from skyreels_tui.ui.keys import FIELDS, bindings
from skyreels_tui.ui.widgets.fields.base import Field


class ChoiceRow(Widget, can_focus=True):
    """Words side by side with marks around the chosen one, on as many lines as they need."""

    DEFAULT_CSS = """
    ChoiceRow {
        height: auto; width: 1fr; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis;
    }
    ChoiceRow:focus { background: $panel; }
    """

    BINDINGS = bindings(FIELDS, "choose", "flip")

    index: reactive[int] = reactive(0)

    class Chosen(Message):
        """Another word is chosen."""

    def __init__(self, words: Sequence[str], index: int, hint: str = "") -> None:
        super().__init__()
        self.words, self.hint = tuple(words), hint
        self.set_reactive(ChoiceRow.index, index)

    def action_choose(self, offset: int) -> None:
        """Choose the word before or after; stops at the ends."""
        self._take(max(0, min(len(self.words) - 1, self.index + offset)))

    def action_flip(self) -> None:
        """Choose the next word, round and round."""
        self._take((self.index + 1) % len(self.words))

    def _take(self, index: int) -> None:
        if index != self.index:
            self.index = index
            self.post_message(self.Chosen())

    def on_key(self, event: events.Key) -> None:
        """Enter goes on to the next field, as in a line of text."""
        if event.key in ("enter", "down"):
            event.stop()
            self.screen.focus_next()
        elif event.key == "up":
            event.stop()
            self.screen.focus_previous()

    def on_click(self) -> None:
        """A click chooses the next word."""
        self.action_flip()

    def render(self) -> Content:
        """The words; none chosen when the value is not one of them."""
        glyphs = getattr(self.app, "glyphs", UNICODE)
        width = self.content_size.width
        lines = self._lines(glyphs, width)
        if self.hint and lines[-1].cell_length + Content(self.hint).cell_length + 3 <= width:
            lines[-1] = Content.assemble(lines[-1], "   ", (self.hint, "$text-muted"))
        return Content("\n").join(lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the words need."""
        return len(self._lines(UNICODE, width))

    def _lines(self, glyphs: Glyphs, width: int) -> list[Content]:
        lines = [Content("")]
        for index, word in enumerate(self.words):
            part = Content(f" {word} ")
            if index == self.index:
                part = Content.styled(f"{glyphs.left}{word}{glyphs.right}", "bold $primary")
            room = width - lines[-1].cell_length - part.cell_length - 1
            if lines[-1] and room < 0:
                lines.append(part)
            else:
                lines[-1] = Content.assemble(lines[-1], " " if lines[-1] else "", part)
        return lines


class ChoiceField(Field):
    """One of the spec's options."""

    def __init__(self, name: str, spec: FieldSpec, value: object, options: Sequence[tuple[object, str]]) -> None:
        super().__init__(name, spec, value)
        self.options = tuple(options)

    def controls(self) -> ComposeResult:
        """One row."""
        yield ChoiceRow([tr(word) for _, word in self.options], self._place(self.initial), tr(self.spec.help))

    def _place(self, value: object) -> int:
        values = [option for option, _ in self.options]
        return values.index(value) if value in values else -1

    @property
    def value(self) -> object:
        """The chosen option; what came in while none is chosen."""
        index = self.query_one(ChoiceRow).index
        return self.options[index][0] if index >= 0 else self.initial

    def set_value(self, value: object) -> None:
        """Choose an option; a value that is none of them is kept and refused by the request."""
        self.initial = value
        self.query_one(ChoiceRow).index = self._place(value)

    def on_choice_row_chosen(self, event: ChoiceRow.Chosen) -> None:
        """Pass the change on."""
        event.stop()
        self.changed()


class FlagField(ChoiceField):
    """Yes or no."""

    def __init__(self, name: str, spec: FieldSpec, value: object) -> None:
        super().__init__(name, spec, value, ((False, mark("no")), (True, mark("yes"))))

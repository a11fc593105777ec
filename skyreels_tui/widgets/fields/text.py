"""Text fields: one line, and the prompt with its count of tokens."""

from __future__ import annotations

import re

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static, TextArea

from skyreels_tui.widgets.fields.base import Field

TOKEN_LIMIT = 512
_CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def without_controls(text: str) -> str:
    """Drop what no prompt needs and a terminal may obey; tabs become spaces, line breaks stay."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))


class LineInput(Input):
    """An input of one line in which arrows up and down leave the field."""

    DEFAULT_CSS = """
    LineInput, LineInput.-textual-compact { height: 1; border: none; padding: 0 1; background: $surface; }
    LineInput:focus, LineInput.-textual-compact:focus { background: $panel; border: none; }
    """

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(without_controls(value), placeholder, compact=True, id=id, select_on_focus=False)

    def _on_paste(self, event: events.Paste) -> None:
        # The base class's own handler comes next and inserts what is left.
        event.text = without_controls(event.text).replace("\n", " ").strip()


class LineField(Field):
    """One line of text."""

    def controls(self) -> ComposeResult:
        """One input."""
        yield LineInput(str(self.initial))

    @property
    def value(self) -> str:
        """The text."""
        return self.query_one(LineInput).value

    def set_value(self, value: object) -> None:
        """Replace the text."""
        self.query_one(LineInput).value = without_controls(str(value))

    @on(Input.Changed)
    def _on_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.value != self.initial or self.touched:
            self.changed()

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()


class PromptArea(TextArea):
    """The editor of a prompt: wraps, grows a little, leaves Tab to the form."""

    DEFAULT_CSS = """
    PromptArea {
        height: auto; min-height: 3; max-height: 8;
        &, &.-textual-compact { border: none; padding: 0 1; background: $surface; }
        &:focus, &.-textual-compact:focus { background: $panel; border: none; }
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__(without_controls(text), compact=True, highlight_cursor_line=False)

    async def _on_paste(self, event: events.Paste) -> None:
        # The base class's own handler comes next and inserts what is left.
        event.text = without_controls(event.text)


class PromptField(Field):
    """Several lines of text, with a count against the encoder's limit."""

    DEFAULT_CSS = """
    PromptField .count { color: $text-muted; padding: 0 1; }
    """

    def controls(self) -> ComposeResult:
        """The editor and the count."""
        yield PromptArea(str(self.initial))
        yield Static(Content(_count(str(self.initial))), classes="count")

    @property
    def value(self) -> str:
        """The text."""
        return self.query_one(PromptArea).text

    def set_value(self, value: object) -> None:
        """Replace the text."""
        self.query_one(PromptArea).load_text(without_controls(str(value)))

    @on(TextArea.Changed)
    def _on_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.query_one(".count", Static).update(Content(_count(self.value)))
        if self.value != self.initial or self.touched:
            self.changed()


def _count(text: str) -> str:
    """The encoder's pieces are counted exactly only where its tokenizer is; this errs on the high side."""
    pieces = len(re.findall(r"\w{1,5}|[^\w\s]", text)) + (1 if text.strip() else 0)
    over = ": the end will not be read" if pieces > TOKEN_LIMIT * 1.2 else ""
    return f"about {pieces} of {TOKEN_LIMIT} tokens{over}" if text.strip() else ""

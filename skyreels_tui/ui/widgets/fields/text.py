"""Text fields: one line, and the prompt with its count of tokens."""

from __future__ import annotations

import os
import re

from textual import events, on
from textual.app import ComposeResult, SuspendNotSupported
from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from pipelines.front.language import tr, trn
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import FIELDS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.terminal.pastes import MOST_PASTED
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.editor import EditorError, edit
from skyreels_tui.words.safe_text import without_steering

TOKEN_LIMIT = 512
_KEPT = "\n\u200c\u200d"
"""Line breaks, and the joiners that Persian words and pictures of several signs are written with."""


def without_controls(text: str) -> str:
    """Drop what no prompt needs and a terminal may obey; tabs become spaces, line breaks stay."""
    return without_steering(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "), keep=_KEPT)


def refused(widget: Widget, event: events.Paste) -> bool:
    """Take nothing of a paste that is too long, and say so; True when that was so."""
    if len(event.text) <= MOST_PASTED:
        return False
    event.stop()
    event.prevent_default()
    hub(widget).tell(
        tr("The paste is longer than {limit} characters: nothing of it was taken", limit=MOST_PASTED), "warning"
    )
    return True


def leave_alt(event: events.Key) -> None:
    """Alt with a letter is a key of the form, where it has one, and types nothing."""
    if event.key.startswith("alt+"):
        event.prevent_default()


class LineInput(Input):
    """An input of one line in which arrows up and down leave the field."""

    DEFAULT_CSS = """
    LineInput, LineInput.-textual-compact { height: 1; border: none; padding: 0 1; background: $surface; }
    LineInput:focus, LineInput.-textual-compact:focus { background: $panel; border: none; }
    /* A tinted panel is no panel: see Colourless. */
    LineInput:nocolor:focus { background-tint: $foreground 0%; }
    """

    virtual_size = Reactive(Size(0, 0))
    """How long the text is; the line keeps its room, so that a letter, unlike those of Textual, lays nothing out."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(without_controls(value), placeholder, compact=True, id=id, select_on_focus=False)

    async def _on_key(self, event: events.Key) -> None:
        leave_alt(event)

    def _on_paste(self, event: events.Paste) -> None:
        if refused(self, event):
            return
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

    async def _on_key(self, event: events.Key) -> None:
        leave_alt(event)

    async def _on_paste(self, event: events.Paste) -> None:
        if refused(self, event):
            return
        # The base class's own handler comes next and inserts what is left.
        event.text = without_controls(event.text)


class PromptField(Field):
    """Several lines of text, with a count against the encoder's limit and, when asked, the text as it is read."""

    DEFAULT_CSS = """
    PromptField .count { color: $text-muted; padding: 0 1; }
    PromptField .cleaned { display: none; color: $text-muted; padding: 0 1; max-height: 6; }
    PromptField .cleaned.-shown { display: block; }
    """

    BINDINGS = bindings(FIELDS, "cleaned", "editor")

    def controls(self) -> ComposeResult:
        """The editor, the count, and the cleaned text."""
        yield PromptArea(str(self.initial))
        yield Static(Content(_count(str(self.initial))), classes="count")
        yield Static(Content(""), classes="cleaned")

    @property
    def value(self) -> str:
        """The text."""
        return self.query_one(PromptArea).text

    def set_value(self, value: object) -> None:
        """Replace the text; what stood there can be undone in the editor."""
        area = self.query_one(PromptArea)
        area.replace(without_controls(str(value)), area.document.start, area.document.end)
        area.move_cursor(area.document.end)

    def take_reading(self, text: str, tokens: int | None) -> None:
        """Show what the checks found: the text as the encoder reads it, and its tokens where they were counted."""
        if tokens is not None:
            self._show_count(_exact_count(tokens))
        words = safe(text, 4000) if text else tr("nothing")
        show_in(self.query_one(".cleaned", Static), Content(tr("The model reads: {text}", text=words)))

    def action_cleaned(self) -> None:
        """Show or hide the cleaned text."""
        self.query_one(".cleaned").toggle_class("-shown")

    def action_editor(self) -> None:
        """Write it in the person's own editor, which has the terminal meanwhile."""
        app = hub(self)
        try:
            text = edit(self.value, os.environ, app.suspend)
        except EditorError as error:
            app.tell(str(error), "warning")
        except SuspendNotSupported:
            app.tell(tr("There is no terminal here for an editor"), "warning")
        else:
            self.set_value(text)

    def _show_count(self, words: str) -> None:
        show_in(self.query_one(".count", Static), Content(words))

    @on(TextArea.Changed)
    def _on_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._show_count(_count(self.value))
        if self.value != self.initial or self.touched:
            self.changed()


def _count(text: str) -> str:
    """The encoder's pieces are counted exactly only where its tokenizer is; this errs on the high side."""
    pieces = len(re.findall(r"\w{1,5}|[^\w\s]", text)) + (1 if text.strip() else 0)
    if not text.strip():
        return ""
    if pieces > TOKEN_LIMIT * 1.2:
        return tr("about {count} of {limit} tokens: the end will not be read", count=pieces, limit=TOKEN_LIMIT)
    return tr("about {count} of {limit} tokens", count=pieces, limit=TOKEN_LIMIT)


def _exact_count(tokens: int) -> str:
    if tokens <= TOKEN_LIMIT:
        return tr("{count} of {limit} tokens", count=tokens, limit=TOKEN_LIMIT)
    # The end token takes the last place.
    lost = tokens - TOKEN_LIMIT
    return trn(
        "{tokens} of {limit} tokens: the last one will not be read",
        "{tokens} of {limit} tokens: the last {count} will not be read",
        lost,
        tokens=tokens,
        limit=TOKEN_LIMIT,
    )

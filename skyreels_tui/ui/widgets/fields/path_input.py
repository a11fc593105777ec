"""The input of a path: completes like a shell, takes several pasted paths, adds with Enter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from pipelines.front.language import trn
from pipelines.media.remote.address import is_address
from skyreels_tui.requests import typed_paths
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.keys import FILES, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields.text import LineInput, refused, without_controls

SHOWN = 6
"""Completions listed at once."""


class _Line(LineInput):
    BINDINGS = bindings(FILES, "complete")

    def action_complete(self) -> None:
        self.post_message(PathInput.CompleteAsked())

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        if refused(self, event):
            return
        pasted = typed_paths.split_pasted(event.text)
        # Enter asks the network, never a paste: addresses wait in the line.
        addresses = [path for path in pasted if is_address(path)]
        files = [path for path in pasted if not is_address(path)]
        if len(files) > 1 or (files and addresses):
            self.post_message(PathInput.Entered(files))
            files = []
        if files or addresses:
            self.insert_text_at_cursor(without_controls(" ".join(files + addresses)))


class PathInput(Vertical):
    """A line and, below it, what Tab could go on with."""

    DEFAULT_CSS = """
    PathInput { height: auto; }
    PathInput .ways { display: none; color: $text-muted; padding: 0 2; }
    PathInput .ways.-shown { display: block; }
    """

    class Entered(Message):
        """Enter was pressed on a path, or several were pasted."""

        def __init__(self, entered: Sequence[str]) -> None:
            self.paths = tuple(entered)
            super().__init__()

    class Typed(Message):
        """The text changed."""

    class CompleteAsked(Message):
        """Tab was pressed."""

    def __init__(self, media: str, text: str = "") -> None:
        super().__init__()
        self.media, self._text = media, text

    def compose(self) -> ComposeResult:
        """The line and the ways on."""
        yield _Line(self._text)
        yield Static(Content(""), classes="ways")

    @property
    def _line(self) -> _Line:
        return self.query_one(_Line)

    @property
    def value(self) -> str:
        """What stands in the line."""
        return self._line.value if self.is_mounted else ""

    @value.setter
    def value(self, text: str) -> None:
        with self.prevent(Input.Changed):
            self._line.value = without_controls(text)
        self._show([])

    def settled(self, *, whole: bool) -> tuple[str, ...]:
        """What is typed, absolute; nothing while it is on its way, unless `whole` takes it as it stands."""
        text = self.value
        return (
            ()
            if not text.strip() or (self.on_its_way and not whole)
            else tuple(map(typed_paths.expand, _entries(text)))
        )

    @property
    def on_its_way(self) -> bool:
        """Whether a path is being typed that is no file so far."""
        text = self.value
        return bool(text.strip()) and self._line.has_focus and not typed_paths.names_file(text)

    @property
    def placeholder(self) -> str:
        """Shown while nothing is typed."""
        return self._line.placeholder

    @placeholder.setter
    def placeholder(self, text: str) -> None:
        self._line.placeholder = text

    @on(Input.Changed)
    def _on_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._show([])
        self.post_message(self.Typed())

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self.post_message(self.Entered(_entries(event.value)))
        else:
            self.screen.focus_next()

    def on_path_input_complete_asked(self, event: CompleteAsked) -> None:
        """Complete as far as it is clear; a whole file or nothing to complete goes on to the next field."""
        event.stop()
        text = self._line.value
        if not text.strip():
            self.screen.focus_next()
            return
        ways = typed_paths.complete(text, self.media)
        start = typed_paths.common_start(ways)
        if len(start) > len(text):
            self._line.value = start
            self._line.cursor_position = len(start)
            self._show(ways if len(ways) > 1 else [])
        elif ways and not typed_paths.names_file(text):
            self._show(ways)
        else:
            # Leaving the line adds a whole file.
            self.screen.focus_next()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """A file that was typed and left behind is added; anything else stays for a correction."""
        self._show([])
        if self.is_mounted and typed_paths.names_file(self._line.value):
            self.post_message(self.Entered([self._line.value.strip()]))

    def _show(self, ways: list[str]) -> None:
        names = [safe(Path(way).name + ("/" if way.endswith("/") else ""), 60) for way in ways[:SHOWN]]
        more = [trn("… {count} more", "… {count} more", len(ways) - SHOWN)] if len(ways) > SHOWN else []
        box = self.query_one(".ways", Static)
        show_in(box, Content("\n".join(names + more)))
        box.set_class(bool(names), "-shown")


def _entries(text: str) -> list[str]:
    """Several addresses may stand in the line, with spaces between; a path is the whole line."""
    words = text.split()
    return words if words and all(map(is_address, words)) else [text.strip()]

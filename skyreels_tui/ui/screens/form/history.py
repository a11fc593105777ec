"""Prompts or files of earlier jobs in one searchable list."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.front.language import mark, tr
from skyreels_tui.ui.drawing.safe import cut, cut_path, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import HISTORY, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList

WHOLE = 1200
"""Characters of the selected prompt that are shown in full below the list."""


class EntryList(RowList):
    """One row an entry, newest first; only those that contain the searched words."""

    def __init__(self, entries: Sequence[str], *, paths: bool) -> None:
        super().__init__(id="history-list")
        self._all, self._paths = tuple(entries), paths
        self.entries: tuple[str, ...] = self._all

    def search(self, text: str) -> None:
        """Keep the entries that contain every word."""
        wanted = text.lower().split()
        self.entries = tuple(entry for entry in self._all if all(word in entry.lower() for word in wanted))
        self.cursor = 0
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def selected(self) -> str:
        """The entry under the cursor, '' when there is none."""
        return self.entries[self.cursor] if self.entries else ""

    def count(self) -> int:
        """Entries found."""
        return len(self.entries)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """The beginning of a prompt, or the end of a path."""
        mark = hub(self).glyphs.cursor if selected else " "
        room = max(8, width - 3)
        entry = self.entries[index]
        shown = cut_path(entry, room) if self._paths else cut(entry, room)
        return Content.assemble((f"{mark} ", "bold $accent"), (shown, "bold" if selected else ""))

    def empty(self, width: int) -> Content:
        """Why there is nothing."""
        if self._all:
            words = tr("Nothing contains these words. {key} clears the search.", key=hub(self).key("history.back"))
        else:
            words = tr("Nothing yet: what you queue is listed here the next time.")
        return Content.styled(words, "$text-muted")


class HistoryScreen(Screen[str | None]):
    """Typing searches; answers with one entry, None when it is left."""

    BINDINGS = bindings(HISTORY)

    def __init__(self, title: str, entries: Sequence[str], *, paths: bool) -> None:
        super().__init__()
        self._title_text, self._entries, self._paths = title, entries, paths

    def compose(self) -> ComposeResult:
        """Search line, list, and the whole of the selected entry."""
        yield Static(
            Content.assemble((self._title_text, "bold $primary"), ("   " + tr("type to search"), "$text-muted")),
            classes="bar",
        )
        yield LineInput(placeholder=tr("search"), id="history-search")
        yield EntryList(self._entries, paths=self._paths)
        yield Static(Content(""), id="history-whole", classes="explain")
        yield KeyBar()

    def on_mount(self) -> None:
        """The search line has the keys; arrows move in the list all the same."""
        self.query_one(LineInput).focus()
        self._show_whole()

    @on(Input.Changed)
    def _on_search(self, event: Input.Changed) -> None:
        self.query_one(EntryList).search(event.value)
        self.refresh_bindings()

    @on(RowList.Moved)
    def _show_whole(self) -> None:
        selected = self.query_one(EntryList).selected
        show_in(self.query_one("#history-whole", Static), plain(selected, "", WHOLE))

    def action_scroll(self, rows: int) -> None:
        """Move in the list while the search line keeps the keys."""
        entries = self.query_one(EntryList)
        far = abs(rows) > 1
        entries.cursor += (1 if rows > 0 else -1) * (entries.page_rows if far else 1)

    def action_take(self) -> None:
        """Answer with the entry under the cursor."""
        self.dismiss(self.query_one(EntryList).selected or None)

    def key_label(self, action: str) -> str:
        """The way out clears the search first."""
        return mark("Clear search") if action == "back" and self.query_one(LineInput).value else ""

    def action_back(self) -> None:
        """Clear the search, then leave."""
        line = self.query_one(LineInput)
        if line.value:
            line.value = ""
        else:
            self.dismiss(None)

"""Every key in one searchable list."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.front.language import tr
from skyreels_tui.ui.drawing.safe import column
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import scopes
from skyreels_tui.ui.keys import HELP, Key, Scope, bindings, key_words, printed
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList

KEY_WIDTH = 22


class KeyList(RowList):
    """Headings and keys; only what contains the searched words."""

    def __init__(self, chosen: Mapping[str, str]) -> None:
        """`chosen` has the keys of a person, by the id of their binding."""
        super().__init__(id="help-list")
        self._chosen = chosen
        self._rows: list[Scope | Key] = []
        self.search("")

    def search(self, text: str) -> None:
        """Keep the keys whose name, label or sentence contains every word."""
        wanted = text.lower().split()
        rows: list[Scope | Key] = []
        for scope in scopes(self._chosen):
            found = [key for key in scope.keys if all(word in _haystack(scope, key) for word in wanted)]
            rows += [scope, *found] if found else []
        self._rows = rows
        self.cursor = 0
        self.refresh()

    def count(self) -> int:
        """Headings and keys."""
        return len(self._rows)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """A heading, or keys and what they do."""
        entry = self._rows[index]
        if isinstance(entry, Scope):
            return Content.styled(tr(entry.title), "bold $accent")
        names = " ".join(key_words(printed(name)) for name in entry.keys.split(","))
        if len(names) > KEY_WIDTH - 3:
            names = key_words(entry.shown)
        return Content.assemble("  ", (column(names, KEY_WIDTH - 2), "bold $primary"), tr(entry.help)).truncate(
            width, ellipsis=True
        )

    def empty(self, width: int) -> Content:
        """Nothing found."""
        return Content.styled(tr("No key does that. Clear the search with Esc."), "$text-muted")


class HelpScreen(Screen[None]):
    """Typing searches at once; Esc clears the search, then leaves."""

    BINDINGS = bindings(HELP)

    def compose(self) -> ComposeResult:
        """Search line above the list."""
        yield Static(
            Content.assemble(
                (tr("Help"), "bold $primary"), "   ", (tr("type to search: stop, seed, theme …"), "$text-muted")
            ),
            id="help-title",
        )
        yield LineInput(placeholder=tr("search"), id="help-search")
        yield KeyList(hub(self).chosen_keys)
        yield KeyBar()

    def on_mount(self) -> None:
        """The search line has the keys; arrows scroll the list all the same."""
        self.query_one(LineInput).focus()

    @on(Input.Changed)
    def _on_search(self, event: Input.Changed) -> None:
        self.query_one(KeyList).search(event.value)

    def action_scroll(self, rows: int) -> None:
        """Move in the list while the search line keeps the keys."""
        keys = self.query_one(KeyList)
        keys.cursor += rows * (1 if abs(rows) == 1 else keys.page_rows)

    def action_back(self) -> None:
        """Clear the search, then leave."""
        line = self.query_one(LineInput)
        if line.value:
            line.value = ""
        else:
            self.dismiss()


def _haystack(scope: Scope, key: Key) -> str:
    """In the chosen language, and in English: the manual's words find a key too."""
    words = (scope.title, key.label, key.help)
    return " ".join((key.keys, key.shown, *words, *map(tr, words))).lower()

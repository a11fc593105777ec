"""Every key, and every word that a screen takes for known, in one searchable list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.front.language import mark, tr
from skyreels_tui.ui.drawing.safe import column
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import ALWAYS_THERE, scopes
from skyreels_tui.ui.keys import HELP, Key, Scope, bindings, key_words, printed
from skyreels_tui.ui.screens.system.glossary import WORDS, WORDS_TITLE, Word
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList

KEY_WIDTH = 22
Told = Scope | Key | Word | str
"""A place with its keys, a key, a word, or the heading of the words."""


class KeyList(RowList):
    """Headings, keys and words; only what contains the searched ones, and nothing cut: sentences take several rows."""

    def __init__(self, chosen: Mapping[str, str], here: Sequence[str]) -> None:
        """`chosen` has the keys of a person, by the id of their binding; places named in `here` come first."""
        super().__init__(id="help-list")
        places = scopes(chosen)
        self._scopes = sorted(places, key=lambda scope: here.index(scope.name) if scope.name in here else len(here))
        self._found: list[Told] = []
        self._rows: list[Content] = []
        self._width = 0
        self.search("")

    def search(self, text: str) -> None:
        """Keep the keys and words whose name, label or sentence contains every word."""
        wanted = text.lower().split()
        self._found = []
        for scope in self._scopes:
            found = [key for key in scope.keys if all(word in _haystack(scope, key) for word in wanted)]
            self._found += [scope, *found] if found else []
        words = [word for word in WORDS if all(one in _told(WORDS_TITLE, word.word, word.meaning) for one in wanted)]
        self._found += [WORDS_TITLE, *words] if words else []
        self._lay(self._width)
        self.cursor = 0
        self.refresh()

    def _lay(self, width: int) -> None:
        self._width = width
        self._rows = [row for entry in self._found for row in _rows(entry, width)] if width else []

    def body(self, width: int, height: int) -> Content:
        """The visible rows, laid out for the width there is."""
        if width != self._width:
            self._lay(width)
        return super().body(width, height)

    def count(self) -> int:
        """Rows of headings, keys and words."""
        return len(self._rows)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """A heading, or keys and what they do, or a word and what it means, or more of that."""
        return self._rows[index]

    def empty(self, width: int) -> Content:
        """Nothing found."""
        words = tr("No key does that. {key} clears the search.", key=hub(self).key("help.back"))
        return Content.styled(words, "$text-muted")


class HelpScreen(Screen[None]):
    """Typing searches at once; Esc clears the search, then leaves."""

    DEFAULT_CSS = """
    HelpScreen {
        #help-title { height: 1; padding: 0 1; background: $panel; }
        #help-list { height: 1fr; }
    }
    """
    BINDINGS = bindings(HELP)

    def __init__(self, active: Sequence[ActiveBinding] = ()) -> None:
        """`active` are the bindings of the screen that help is asked about, the innermost first."""
        super().__init__(name=HELP.name)
        places = [(one.binding.id or "").partition(".")[0] for one in active]
        # What is there on every screen says nothing about this one.
        self._here = [place for place in dict.fromkeys(places) if place not in ALWAYS_THERE]

    def compose(self) -> ComposeResult:
        """Search line above the list."""
        yield Static(
            Content.assemble(
                (tr("Help"), "bold $primary"), "   ", (tr("type to search: stop, seed, theme …"), "$text-muted")
            ),
            id="help-title",
        )
        yield LineInput(placeholder=tr("search"), id="help-search")
        yield KeyList(hub(self).chosen_keys, self._here)
        yield KeyBar()

    def on_mount(self) -> None:
        """The search line has the keys; arrows scroll the list all the same."""
        self.query_one(LineInput).focus()

    @on(Input.Changed)
    def _on_search(self, event: Input.Changed) -> None:
        self.query_one(KeyList).search(event.value)
        self.refresh_bindings()

    def action_scroll(self, rows: int) -> None:
        """Move in the list while the search line keeps the keys."""
        keys = self.query_one(KeyList)
        keys.cursor += rows * (1 if abs(rows) == 1 else keys.page_rows)

    def key_label(self, action: str) -> str:
        """The way out clears the search first."""
        return mark("Clear search") if action == "back" and self.query_one(LineInput).value else ""

    def action_back(self) -> None:
        """Clear the search, then leave."""
        line = self.query_one(LineInput)
        if line.value:
            line.value = ""
        else:
            self.dismiss()


def _rows(entry: Told, width: int) -> list[Content]:
    match entry:
        case Scope() | str():
            title = entry if isinstance(entry, str) else entry.title
            return [Content.styled(tr(title), "bold $accent")]
        case Word():
            names, told = tr(entry.word), entry.meaning
        case Key():
            names, told = " ".join(key_words(printed(name)) for name in entry.keys.split(",")), entry.help
            if len(names) > KEY_WIDTH - 3:
                names = key_words(entry.shown)
    sentence = Content(tr(told)).wrap(max(20, width - KEY_WIDTH))
    first = Content.assemble("  ", (column(names, KEY_WIDTH - 2), "bold $primary"), sentence[0])
    return [first, *(Content.assemble(" " * KEY_WIDTH, more) for more in sentence[1:])]


def _haystack(scope: Scope, key: Key) -> str:
    """In the chosen language, and in English: the manual's words find a key too."""
    return f"{key.keys} {key.shown} ".lower() + _told(scope.title, key.label, key.help)


def _told(*words: str) -> str:
    return " ".join((*words, *map(tr, words))).lower()

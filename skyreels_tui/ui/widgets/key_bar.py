"""The last line of every screen: the keys that work now, most wanted first; messages stand above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from pipelines.front.language import tr
from skyreels_tui.ui.keys import ALWAYS, footer_place, key_words, printed
from skyreels_tui.ui.redraw import draw_anew

SAID_S = 4.0
MOST_NOTE_LINES = 4
NOTE_STYLES = {"warning": "$text-warning", "error": "$text-error"}


@runtime_checkable
class Relabelled(Protocol):
    """A screen on which a key may do something else at this moment than it usually does."""

    def key_label(self, action: str) -> str:
        """What the key of an action does now, marked for translation; '' where that is the usual."""


def label_now(screen: Screen[object], action: str, usual: str) -> str:
    """What a key of a screen does at this moment, in a word or two of the chosen language."""
    label = screen.key_label(action) if isinstance(screen, Relabelled) and screen.is_mounted else ""
    return tr(label or usual)


class KeyBar(Widget):
    """Keys of the focused place that have a place here; keys that do nothing now are not shown."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: auto; padding: 0 1; background: $panel; color: $foreground; }
    """

    _notes: tuple[Content, ...] = ()
    _said = ""
    _drawn = Content("")
    _silence: Timer | None = None

    def compose(self) -> ComposeResult:
        """No children: one line of text."""
        return ()

    def on_mount(self) -> None:
        """Redraw whenever the focus or what is possible changes."""
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)

    def show_notes(self, notes: Sequence[tuple[str, str]]) -> None:
        """Show messages, (text, severity) each, in lines of their own above the keys, which cover nothing."""
        self._notes = tuple(Content.styled(text, NOTE_STYLES.get(severity, "")) for text, severity in notes)
        draw_anew(self)

    def _note_lines(self, width: int) -> list[Content]:
        """The newest messages as far as there is room for them."""
        lines = [line for note in self._notes for line in note.wrap(max(1, width))]
        return lines[-MOST_NOTE_LINES:]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The line of the keys, and those of messages."""
        return len(self._note_lines(width)) + max(1, len(self._said_lines(width)))

    def _said_lines(self, width: int) -> list[Content]:
        return Content.styled(self._said, "$text-muted").wrap(max(1, width)) if self._said else []

    def say(self, text: str) -> None:
        """Show dim words in place of the keys for a few seconds: why a key has just done nothing."""
        if self._silence is not None:
            self._silence.stop()
        self._said, self._silence = text, self.set_timer(SAID_S, self._unsay)
        draw_anew(self)

    def say_end(self, offset: int) -> None:
        """Say why something does not move so many places in its order: it stands at that end already."""
        self.say(tr("it is the first already") if offset < 0 else tr("it is the last already"))

    def _unsay(self) -> None:
        self._said = ""
        draw_anew(self)

    def _redraw(self, _: Screen[object]) -> None:
        # Most moves of a cursor leave the keys as they are.
        if not self._lines(self.content_size.width).is_same(self._drawn):
            self.refresh()

    def render(self) -> Content:
        """Messages, then what was just said, else as many whole keys as fit; the way out and help stay to the end."""
        self._drawn = self._lines(self.content_size.width)
        return self._drawn

    def _lines(self, width: int) -> Content:
        return Content("\n").join([*self._note_lines(width), *(self._said_lines(width) or [self._keys()])])

    def _keys(self) -> Content:
        entries = self._entries()
        width = self.content_size.width
        last = [entry for place, entry in entries if place >= ALWAYS]
        room = width - sum(entry.cell_length + 2 for entry in last)
        kept: list[Content] = []
        for entry in (entry for place, entry in entries if place < ALWAYS):
            if entry.cell_length > room:
                break
            kept.append(entry)
            room -= entry.cell_length + 2
        return Content("  ").join(kept + last)

    def _is_typed(self, key: str, binding: Binding) -> bool:
        """Whether the field that has the focus takes the key as a letter."""
        focused, letter = self.screen.focused, " " if key == "space" else printed(key)
        if focused is None or binding.priority or len(letter) != 1:
            return False
        return focused.check_consume_key(key, letter)

    def _entries(self) -> list[tuple[int, Content]]:
        found: dict[str, tuple[int, Content]] = {}
        for name, active in self.screen.active_bindings.items():
            binding = active.binding
            place = footer_place(binding)
            if place is None or not active.enabled or not binding.show or self._is_typed(name, binding):
                continue
            shown = binding.key_display or printed(name)
            key = key_words(printed(name) if self._is_typed(shown, binding) else shown)
            label = label_now(self.screen, binding.action, binding.description)
            entry = Content.assemble((key, "bold $primary"), " ", label)
            found.setdefault(binding.id or "", (place, entry))
        return sorted(found.values(), key=lambda entry: entry[0])

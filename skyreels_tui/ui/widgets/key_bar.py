"""The last line of every screen: the keys that work now, most wanted first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from pipelines.front.language import tr
from skyreels_tui.ui.keys import ALWAYS, footer_place, key_words, printed

SAID_S = 4.0


class KeyBar(Widget):
    """Keys of the focused place that have a place here; keys that do nothing now are not shown."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; padding: 0 1; background: $panel; color: $foreground; }
    """

    _said = ""
    _silence: Timer | None = None

    def compose(self) -> ComposeResult:
        """No children: one line of text."""
        return ()

    def on_mount(self) -> None:
        """Redraw whenever the focus or what is possible changes."""
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)

    def say(self, text: str) -> None:
        """Show a dim line in place of the keys for a few seconds: why a key has just done nothing."""
        if self._silence is not None:
            self._silence.stop()
        self._said, self._silence = text, self.set_timer(SAID_S, self._unsay)
        self.refresh()

    def _unsay(self) -> None:
        self._said = ""
        self.refresh()

    def _redraw(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        """What was just said, else as many whole entries as fit; the way out and help stay to the end."""
        if self._said:
            return Content.styled(self._said, "$text-muted")
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

    def _entries(self) -> list[tuple[int, Content]]:
        found: dict[str, tuple[int, Content]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            place = footer_place(binding)
            if place is None or not active.enabled or not binding.show:
                continue
            key = key_words(binding.key_display or printed(binding.key))
            entry = Content.assemble((key, "bold $primary"), " ", tr(binding.description))
            found.setdefault(binding.id or "", (place, entry))
        return sorted(found.values(), key=lambda entry: entry[0])

"""The theme picker: the whole screen takes on the palette under the cursor."""

from __future__ import annotations

import dataclasses

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import tr
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import SettingsError
from skyreels_tui.settings.themes import theme_files
from skyreels_tui.ui.drawing.bars import bar
from skyreels_tui.ui.drawing.glyphs import Glyphs
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import THEMES, bindings
from skyreels_tui.ui.palette import title_of
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList


class ThemeList(RowList):
    """One row a palette."""

    def __init__(self) -> None:
        super().__init__(id="theme-list")
        self.names = list(theme_files())
        self._titles = {name: title_of(name) for name in self.names}

    def count(self) -> int:
        """Palettes there are."""
        return len(self.names)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Name and what it is for."""
        name = self.names[index]
        mark = hub(self).glyphs.cursor if selected else " "
        return Content.assemble((f"{mark} {name:<18}", "bold"), (self._titles[name], "$text-muted"))


class ThemeScreen(Screen[None]):
    """Enter keeps the palette and writes the setting; Esc goes back to the one before."""

    DEFAULT_CSS = """
    ThemeScreen {
        #theme-title { height: 1; padding: 0 1; background: $panel; }
        #theme-list { height: 1fr; }
        #theme-sample { height: 4; padding: 1 2; }
    }
    """
    BINDINGS = bindings(THEMES)

    def __init__(self, settings: LiveSettings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """The list above a sample of every colour."""
        yield Static(Content.styled(tr("Theme"), "bold $primary"), id="theme-title")
        yield ThemeList()
        yield Static(_sample(hub(self).glyphs), id="theme-sample")
        yield KeyBar()

    def on_mount(self) -> None:
        """Start at the palette in use."""
        self._before = self.app.theme
        names = self.query_one(ThemeList)
        if self._before in names.names:
            names.cursor = names.names.index(self._before)
        names.focus()

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        names = self.query_one(ThemeList)
        hub(self).looks.use_theme(names.names[names.cursor])

    def action_keep(self) -> None:
        """Keep it, for the next start too."""
        try:
            self._settings.change(dataclasses.replace(self._settings.now, theme=self.app.theme))
        except SettingsError as error:
            hub(self).tell(tr("The theme is kept for now only: {error}", error=error), "warning")
        self.dismiss()

    def action_back(self) -> None:
        """The palette before."""
        hub(self).looks.use_theme(self._before)
        self.dismiss()


def _sample(glyphs: Glyphs) -> Content:
    return Content.assemble(
        (f"{glyphs.running} ", "bold $primary"), (tr("running"), "bold $primary"), "   ",
        (f"{glyphs.done} ", "$text-success"), (tr("done"), "$text-success"), "   ",
        (f"{glyphs.held} ", "$text-warning"), (tr("held"), "$text-warning"), "   ",
        (f"{glyphs.failed} ", "$text-error"), (tr("failed"), "$text-error"), "   ",
        (tr("accent"), "bold $accent"), "   ", (tr("less important"), "$text-muted"), "\n",
        tr("plain text"), "   ", (tr("on a surface"), "on $surface"), "   ", (tr("on a panel"), "on $panel"),
        "   ", bar(0.5, 14, glyphs),
    )  # fmt: skip

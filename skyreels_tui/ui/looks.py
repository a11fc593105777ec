"""How an app looks and speaks, as the environment, the settings and the command line want it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual.app import App
from textual.filter import Monochrome, NoColor

from pipelines.front import language
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import ASKED_AT_START, Settings
from skyreels_tui.settings.themes import DEFAULT
from skyreels_tui.ui.drawing.ascii import AsciiFilter
from skyreels_tui.ui.drawing.colourless import Colourless
from skyreels_tui.ui.drawing.glyphs import ASCII, UNICODE, Glyphs
from skyreels_tui.ui.drawing.safe import ControlFilter
from skyreels_tui.ui.internals import swap_filters
from skyreels_tui.ui.palette import SIXTEEN, load_theme

if TYPE_CHECKING:
    from skyreels_tui.ui.drawing.pictures import Drawing


@runtime_checkable
class Retitled(Protocol):
    """A widget whose border speaks."""

    def retitle(self) -> None:
        """Write the border again."""


class Looks:
    """The palette, the symbols and the pictures of one app, and the language it speaks."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._ascii_only = False
        self.drawing: Drawing = "cells"
        """How previews are drawn; who runs the app asks the terminal first."""
        # An empty NO_COLOR asks for nothing; Textual would turn the screen grey, which is colour to a terminal.
        app.no_color = bool(os.environ.get("NO_COLOR"))
        swap_filters(app, (Monochrome, NoColor), last=[ControlFilter()])
        self.use_theme("")
        self.glyphs = UNICODE

    def follow(self, settings: LiveSettings, *, theme: str, ascii_only: bool) -> None:
        """Look as the settings say, now and after every change; `theme` and `ascii_only` count for this time."""
        self._ascii_only = ascii_only
        self._choose_glyphs(settings.now)
        self.use_theme(theme or settings.now.theme)
        settings.follow(self._change)

    def _change(self, before: Settings, now: Settings) -> None:
        if now.theme != before.theme:
            self.use_theme(now.theme)
        if now.preview != before.preview and now.preview not in ASKED_AT_START:
            self.drawing = "off" if now.preview == "off" else "cells"
        self._choose_glyphs(now)
        if now.language != before.language:
            language.choose(now.language)
        if (now.language, now.ascii) != (before.language, before.ascii):
            self._draw_again()

    def _draw_again(self) -> None:
        """Screens opened from here on speak the language and draw the symbols; those below are drawn again."""
        for screen in self._app.screen_stack:
            for widget in screen.query("*"):
                if isinstance(widget, Retitled):
                    widget.retitle()
                widget.refresh(layout=True)

    def use_theme(self, name: str) -> None:
        """Read one palette and show it; '' and unknown names give the default."""
        app = self._app
        few = app.console.color_system == "standard"
        theme = load_theme(name or (SIXTEEN if few else DEFAULT))
        if app.no_color:
            # All palettes look alike then, and this one tells its backgrounds apart, as a terminal's own need not.
            theme = replace(load_theme(DEFAULT), name=theme.name)
        app.register_theme(theme)
        app.theme = theme.name
        if app.no_color:
            # First of all: others turn dim text into a colour.
            swap_filters(app, Colourless, first=[Colourless(theme.panel or "")])

    @property
    def glyphs(self) -> Glyphs:
        """The symbols drawn; with ASCII ones nothing else leaves for the terminal either."""
        return self._glyphs

    @glyphs.setter
    def glyphs(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        swap_filters(self._app, AsciiFilter, last=[AsciiFilter()] if glyphs is ASCII else ())

    def _choose_glyphs(self, now: Settings) -> None:
        self.glyphs = ASCII if self._ascii_only or now.ascii else UNICODE

    @property
    def monochrome(self) -> bool:
        """True where pictures are drawn in letters: colours are not to be used."""
        return bool(self._app.no_color) or self.glyphs.sparks.isascii()

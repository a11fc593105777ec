"""What others write into the settings file while an app is open, and what a person is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from pipelines.front.language import tr
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import waiting

SETTINGS_S = 1.0
"""Between two looks at the settings file, which a shell or an editor may write."""


class SettingsWatch:
    """Has the settings in force follow their file."""

    def __init__(self, app: App[Any], settings: LiveSettings, tell: Callable[[str, str], object]) -> None:
        """`tell` says a sentence to the person, as 'information' or as 'warning'."""
        self._app, self._settings, self._tell = app, settings, tell
        self._warned: tuple[str, ...] = ()

    def begin(self) -> None:
        """Look from here on, as long as the app runs."""
        self._warn()
        self._app.set_interval(SETTINGS_S, self._look)

    def _look(self) -> None:
        """Take over what has been written, and name what waits for the next start."""
        before = self._settings.now
        self._settings.look()
        self._warn()
        if self._settings.now is before:
            return
        if names := waiting(before, self._settings.now):
            words = tr("Changed in the settings, takes effect at the next start: {names}", names=", ".join(names))
            self._tell(words, "information")

    def _warn(self) -> None:
        """Say what in the file cannot be used, once."""
        for warning in self._settings.warnings:
            if warning not in self._warned:
                self._tell(warning, "warning")
        self._warned = self._settings.warnings

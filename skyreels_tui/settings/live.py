"""The settings in force in this process; knows the file and who wants to hear of a change, nothing of screens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skyreels_tui.settings.settings import Settings, save

Changed = Callable[[Settings, Settings], None]
"""Hears the settings before and after a change."""


class LiveSettings:
    """`now` is what counts; `change` writes it and tells whoever follows."""

    def __init__(self, path: Path, now: Settings) -> None:
        self.path, self.now = path, now
        self._followers: list[Changed] = []

    def follow(self, changed: Changed) -> None:
        """From now on call `changed` after every change."""
        self._followers.append(changed)

    def change(self, wanted: Settings) -> None:
        """Write the file and use the new values; raises SettingsError or OSError, and then nothing has changed."""
        save(self.path, wanted)
        before, self.now = self.now, wanted
        for changed in self._followers:
            changed(before, wanted)

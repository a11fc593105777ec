"""The settings in force in this process; knows the file and who wants to hear of a change, nothing of screens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skyreels_tui.settings.served import check
from skyreels_tui.settings.settings import Settings, save

Changed = Callable[[Settings, Settings], None]
"""Hears the settings before and after a change."""


class LiveSettings:
    """`now` is what counts; `change` writes it and tells whoever follows."""

    def __init__(self, path: Path, now: Settings, *, served: bool = False) -> None:
        """`served`: a browser shows the app, so commands and folders outside the home stay as they are."""
        self.path, self.now, self.served = path, now, served
        self._followers: list[Changed] = []

    def follow(self, changed: Changed) -> None:
        """From now on call `changed` after every change."""
        self._followers.append(changed)

    def change(self, wanted: Settings) -> None:
        """Write the file and use the new values; raises SettingsError or OSError, and then nothing has changed."""
        if self.served:
            check(self.now, wanted, Path.home())
        save(self.path, wanted)
        before, self.now = self.now, wanted
        for changed in self._followers:
            changed(before, wanted)

"""The settings in force in this process: follows their file, and tells who listens; knows nothing of screens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.reading import Loaded, load
from skyreels_tui.settings.served import check
from skyreels_tui.settings.settings import Settings

SettingsListener = Callable[[Settings, Settings], None]
"""Hears the settings before and after a change."""
Stamp = tuple[int, int, int]
"""Another one means that the file has been written."""


class LiveSettings:
    """`now` is what counts; `change` writes it, `look` takes over what others wrote."""

    def __init__(self, path: Path, now: Settings, warnings: tuple[str, ...] = (), *, served: bool = False) -> None:
        """`warnings` say what in the file could not be used.

        `served`: a browser shows the app, so commands and folders outside the home stay as they are.
        """
        self.path, self.now, self.warnings, self.served = path, now, warnings, served
        self._followers: list[SettingsListener] = []
        self._stamp: Stamp | None = None

    def follow(self, changed: SettingsListener) -> None:
        """From now on call `changed` after every change."""
        self._followers.append(changed)

    def change(self, wanted: Settings) -> None:
        """Write what differs from `now` and use it; raises SettingsError, and then nothing has changed."""
        if self.served:
            check(self.now, wanted, Path.home())
        change_file(self.path, self.now, wanted)
        self._stamp = None
        self.look()

    def look(self) -> None:
        """Read the file if it has been written since the last look; one that is not readable changes nothing."""
        stamp = _stamp_of(self.path)
        if self._stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        self._take(load(self.path))

    def _take(self, loaded: Loaded) -> None:
        self.warnings = loaded.warnings
        if not loaded.is_readable or loaded.settings == self.now:
            return
        before, self.now = self.now, loaded.settings
        for changed in self._followers:
            changed(before, self.now)


def _stamp_of(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)

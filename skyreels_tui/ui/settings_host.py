"""What the app lends the screens that read or write settings."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

from textual.dom import DOMNode

from skyreels_tui.files.folders import Folders
from skyreels_tui.settings.settings import Settings


class SettingsHost(Protocol):
    """The app as those screens see it."""

    settings: Settings
    folders: Folders
    result_dir: Path

    @property
    def settings_file(self) -> Path:
        """The TOML file."""

    def save_settings(self, settings: Settings) -> None:
        """Write the file and use the new values; raises SettingsError or OSError."""

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a short message."""


def settings_host(node: DOMNode) -> SettingsHost:
    """Return the app of a mounted node."""
    return cast(SettingsHost, node.app)

"""What the app lends the screens about models: settings, and the transfers that outlive a screen."""

from __future__ import annotations

from typing import Protocol, cast

from textual.dom import DOMNode

from skyreels_tui.downloads.elsewhere import TransferFile
from skyreels_tui.downloads.transfers import Transfers
from skyreels_tui.ui.settings_host import SettingsHost


class ModelsHost(SettingsHost, Protocol):
    """The app as those screens see it."""

    @property
    def transfers(self) -> Transfers:
        """Downloads and checks in the background."""

    @property
    def elsewhere(self) -> TransferFile:
        """Those of other windows."""


def models_host(node: DOMNode) -> ModelsHost:
    """Return the app of a mounted node."""
    return cast(ModelsHost, node.app)

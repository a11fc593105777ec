"""What the app lends the screens about models: settings, and the transfers that outlive a screen."""

from __future__ import annotations

from typing import Protocol, cast

from textual.dom import DOMNode

from skyreels_tui.settings_host import SettingsHost
from skyreels_tui.transferfile import TransferFile
from skyreels_tui.transfers import Transfers


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

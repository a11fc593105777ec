"""The full-screen application: wiring only."""

from __future__ import annotations

from skyreels_tui.hub import HubApp


class SkyreelsApp(HubApp):
    """Home, forms, results and the rest over one queue."""

    TITLE = "skyreels-tui"
    CSS_PATH = "app.tcss"

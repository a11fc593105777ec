"""`panel`: one live panel alone."""

from __future__ import annotations

import argparse
import os
import sys

from pipelines.front.language import tr
from skyreels_tui.commands.shared.colours import use_colours
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.ui.panels import PANELS


def configure(parser: Parser, _name: str) -> None:
    """Declare the panels."""
    names = [panel.name for panel in PANELS]
    parser.add_argument("panel", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--ascii", action="store_true", help=tr("no symbols outside ASCII"))


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Show the panel until q is pressed; read-only."""
    use_colours(context.services.settings.now.colours, os.environ)
    load_event_loop()
    # Textual is loaded only by commands that draw.
    from skyreels_tui.app.alone import run_panel

    return run_panel(args.panel, context.services, ascii_only=args.ascii)


def load_event_loop() -> None:
    """Load asyncio as where Python has no TLS: a panel opens no connection, and OpenSSL is a tenth of its memory."""
    if "asyncio" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # what makes an import fail, as Python documents
        import asyncio  # noqa: F401  # loaded, not used

        del sys.modules["ssl"]

"""`panel`: one live panel alone."""

from __future__ import annotations

import argparse
import os

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
    # Textual is loaded only by commands that draw.
    from skyreels_tui.app.alone import run_panel

    return run_panel(args.panel, context.services, ascii_only=args.ascii)

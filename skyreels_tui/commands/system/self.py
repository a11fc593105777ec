"""`self`: which copy of the program this is, and how to bring a newer one."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.files.installed import facts, installed, version_line


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `self`."""
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Say version, way of installing, folders and the command that upgrades."""
    copy = installed()
    if args.json:
        output.data(facts(copy))
        return Exit.OK
    output.line(version_line())
    output.line(tr("installed as: {way}, in {folder}", way=tr(copy.way), folder=copy.folder))
    output.line(tr("upgrade with: {command}", command=copy.upgrade))
    output.line(
        tr(
            "an upgrade keeps queue ({queue}) and settings ({settings})",
            queue=context.folders.database,
            settings=context.folders.settings_file,
        )
    )
    return Exit.OK

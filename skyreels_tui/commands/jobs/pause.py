"""`pause` and `unpause`: the queue as a whole."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser


def configure(parser: Parser, name: str) -> None:
    """Declare the options of `pause` or `unpause`."""
    if name == "pause":
        parser.add_argument("--now", action="store_true", help=tr("at the next step; the job goes on later"))
    parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Pause the queue or let it go on."""
    with context.queue() as queue:
        if name == "pause":
            queue.actions.pause(now=args.now)
            output.note(tr("paused; go on: skyreels-tui unpause"))
        else:
            queue.actions.unpause()
            output.note(tr("the queue goes on"))
        if args.json:
            output.data({"pause": queue.status().pause})
    return Exit.OK

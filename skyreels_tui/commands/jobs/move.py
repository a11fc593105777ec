"""`move`: another place in the queue."""

from __future__ import annotations

import argparse

from pipelines.front.documents import plain_number
from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser

WORDS = ("up", "down", "first", "last", "next")


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `move`."""
    parser.add_job_ids(many=False)
    parser.add_argument(
        "where",
        metavar="WHERE",
        help=tr("up, down, first, last, next (before all that wait), or a place such as 3"),
    )
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Move the job; the order of the unfinished jobs goes to stdout."""
    place = _place(args.where)
    with context.queue() as queue:
        match args.where:
            case "up":
                queue.actions.move(args.job, -1)
            case "down":
                queue.actions.move(args.job, 1)
            case "next":
                queue.actions.run_next(args.job)
            case _:
                queue.actions.move_to(args.job, place)
        order = queue.jobs(include_finished=False)
    if args.json:
        output.data([job_data(job) for job in order])
    else:
        output.line(" ".join(str(job.id) for job in order))
    return Exit.OK


def _place(where: str) -> int:
    if where in WORDS:
        return 2**31 if where == "last" else 1
    if place := plain_number(where):
        return min(place, 2**31)
    raise CommandError(tr("{where!r} is no place: {names} or a number from 1", where=where, names=", ".join(WORDS)))

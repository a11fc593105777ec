"""`edit` and `duplicate`: a job with other field values."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data, job_state_words
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.fetching import fetch_inputs
from skyreels_tui.commands.shared.fields import add_task_options, change_request, given_fields
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.model import Job


def configure(parser: Parser, name: str) -> None:
    """Declare the options of `edit` or `duplicate`."""
    parser.add_job_ids(many=False)
    if name == "edit":
        add_task_options(parser, changing=True)
        parser.add_argument("--label", help=tr("another name; also for a job that has begun"))
    else:
        parser.add_argument(
            "--seeds", default="", metavar="N,N,...", help=tr("one copy a seed; without it one exact copy")
        )
    parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Change or copy the job."""
    jobs = [_edit(args, context)] if name == "edit" else _duplicate(args, context)
    if args.json:
        output.data([job_data(job) for job in jobs])
    else:
        for job in jobs:
            output.line(f"{job.id} {job_state_words(job)}" if name == "edit" else str(job.id))
    return Exit.OK


def _edit(args: argparse.Namespace, context: Context) -> Job:
    if not given_fields(args) and args.label is None:
        raise CommandError(tr("nothing to change: give at least one field, such as --prompt TEXT"))
    with context.queue() as queue:
        job = queue.job(args.job)
        if not given_fields(args):
            return queue.actions.rename(job.id, args.label)
        request = fetch_inputs(change_request(job.request, job.task, args), context.folders.downloads)
        return queue.actions.edit(job.id, request, label=args.label)


def _duplicate(args: argparse.Namespace, context: Context) -> list[Job]:
    try:
        seeds = [int(text) for text in args.seeds.split(",") if text.strip()]
    except ValueError:
        raise CommandError(
            tr("seeds: {seeds!r} is no list of whole numbers, such as 1,2,3", seeds=args.seeds)
        ) from None
    with context.queue() as queue:
        return queue.actions.duplicate(args.job, seeds or None)

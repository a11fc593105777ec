"""`add`: queue one job."""

from __future__ import annotations

import argparse

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.fetching import fetch_inputs
from skyreels_tui.commands.shared.fields import add_task_options, asked_request
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.model import Job
from skyreels_tui.requests.planning import used_of
from skyreels_tui.requests.presets import Presets
from skyreels_tui.requests.references import model_problems


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `add`."""
    configure_new_job(parser)
    parser.add_argument("--held", action="store_true", help=tr("queue it held: it runs after `release`"))


def configure_new_job(parser: Parser) -> None:
    """Declare what `add` and `generate` share."""
    add_task_options(parser)
    parser.add_argument("--label", default="", help=tr("a name for the list and for {{job:NAME}}"))
    parser.add_argument("--batch", default="", help=tr("name of the batch it belongs to"))
    parser.add_argument("--first", action="store_true", help=tr("before all other waiting jobs"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Queue the job; its id is the only line on stdout."""
    job = add_job(args, context, held=args.held)
    if args.json:
        output.data(job_data(job))
    else:
        output.line(str(job.id))
    return Exit.OK


def add_job(args: argparse.Namespace, context: Context, *, held: bool = False) -> Job:
    """Queue what the options ask for; raises CommandError or InvalidRequest with nothing queued."""
    task, request = asked_request(args, context.settings, Presets(context.folders.presets))
    if unusable := model_problems(request, context.settings.models.get(task.family, "")):
        raise InvalidRequest(unusable)
    if warning := context.services.approximate_warning(task.name, request):
        output.note(warning)
    request = fetch_inputs(request, context.folders.downloads)
    with context.queue() as queue:
        job = queue.actions.add(request, label=args.label, batch=args.batch, held=held)
        for words in used_of(job):
            output.note(words)
        return queue.actions.run_next(job.id) if args.first and not held else job

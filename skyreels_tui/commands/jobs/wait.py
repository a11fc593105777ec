"""`wait`: until jobs have ended, wherever they run."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.follow import Teller, add_progress_option, follow, has_ended, tell_results
from skyreels_tui.commands.shared.parser import Parser, job_id, seconds
from skyreels_tui.commands.shared.stopping import Stop


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `wait`."""
    parser.add_argument(
        "jobs", metavar="ID", type=job_id, nargs="*", help=tr("ids of jobs; without any: all that have not ended")
    )
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help=tr("give up after this long"))
    add_progress_option(parser)
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Wait, then print the paths of the mp4 files in the order of the ids."""
    teller = Teller(args.progress)
    with Stop() as stop, context.queue(publish=teller.publish) as service:
        wanted = list(dict.fromkeys(args.jobs))
        wanted = wanted or [job.id for job in service.jobs(include_finished=False) if not has_ended(job)]
        for number in wanted:
            service.job(number)
        service.start()
        jobs = follow(service, wanted, teller, stop, args.timeout)
    if not stop.over and not all(map(has_ended, jobs)):
        late = ", ".join(str(job.id) for job in jobs if not has_ended(job))
        raise CommandError(tr("not ended after {timeout:g} s: job {late}", timeout=args.timeout, late=late), Exit.BUSY)
    return tell_results(jobs, as_json=args.json)

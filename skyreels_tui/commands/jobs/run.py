"""`run`: the queue without the app."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.follow import Teller, add_progress_option, tell_results
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.queue.events import Event, JobChanged
from skyreels_tui.queue.model import FINISHED, Job, JobState


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `run`."""
    parser.add_argument("--resume", action="store_true", help=tr("interrupted jobs go on at their stored step"))
    parser.add_argument("--stay", action="store_true", help=tr("stay when the queue is empty and wait for more"))
    add_progress_option(parser)
    parser.add_json()


class Ended:
    """Keeps the jobs that end while this command runs; fed from any thread."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self.jobs: dict[int, Job] = {}

    def publish(self, event: Event) -> None:
        """Remember an end and pass the event on."""
        if isinstance(event, JobChanged) and event.job.state in FINISHED | {JobState.INTERRUPTED}:
            self.jobs[event.job.id] = event.job
        self._teller.publish(event)


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Run jobs until none is left; prints the path of each mp4; the worst job makes the exit code."""
    teller = Teller(args.progress)
    ended = Ended(teller)
    options = context.queue_options(auto_resume=args.resume or context.settings.auto_resume)
    with Stop() as stop, context.queue(publish=ended.publish, runs=True, options=options) as service:
        if service.trouble is not None:
            raise service.trouble
        if not service.is_owner:
            raise CommandError(tr("another process runs the queue already: skyreels-tui wait follows it"), Exit.BUSY)
        service.start()
        stop.service = service
        while not stop.over and (args.stay or not service.wait_idle(timeout_s=0)):
            teller.pump()
        stop.settle()
        if stop.asked:
            teller.note(tr("stopping at the next step; once more to leave at once"))
    teller.pump(0)
    return tell_results(list(ended.jobs.values()), as_json=args.json, always_list=True)

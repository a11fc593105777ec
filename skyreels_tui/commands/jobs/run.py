"""`run`: the queue without the app."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TypeVar

from pipelines.front.language import tr
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.follow import Teller, add_progress_option, tell_results
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.queue.events import Event, JobChanged
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.settings.hours import Hours, parse_hours, parse_time


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `run`."""
    parser.add_argument("--resume", action="store_true", help=tr("interrupted jobs go on at their stored step"))
    parser.add_argument("--stay", action="store_true", help=tr("stay when the queue is empty and wait for more"))
    parser.add_argument(
        "--between", type=hours, metavar="22:00-07:00", help=tr("run jobs only in these hours; default: the setting")
    )
    parser.add_argument("--at", type=clock_time, metavar="22:00", help=tr("begin at this time"))
    add_progress_option(parser)
    parser.add_json()


Parsed = TypeVar("Parsed")


def hours(text: str) -> Hours:
    """Read --between."""
    return _read(parse_hours, text)


def clock_time(text: str) -> time:
    """Read --at."""
    return _read(parse_time, text)


def _read(parse: Callable[[str], Parsed], text: str) -> Parsed:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def next_time(at: time | None) -> datetime | None:
    """When that time of the day comes next."""
    now = datetime.now()
    if at is None:
        return None
    today = datetime.combine(now.date(), at)
    return today if today > now else today + timedelta(days=1)


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
    options = replace(options, hours=args.between or options.hours, not_before=next_time(args.at))
    with Stop() as stop, context.queue(publish=ended.publish, runs=True, options=options) as service:
        if service.trouble is not None:
            raise service.trouble
        if not service.is_owner:
            if not args.stay:
                raise CommandError(
                    tr("another process runs the queue already: skyreels-tui wait follows it"), Exit.BUSY
                )
            teller.note(tr("another process runs the queue: this one takes over when that one ends"))
        service.start()
        stop.service = service
        while not stop.over and (args.stay or not service.wait_idle(timeout_s=0)):
            teller.pump()
        stop.settle()
        if stop.asked:
            teller.note(tr("stopping at the next step; once more to leave at once"))
    teller.pump(0)
    return tell_results(list(ended.jobs.values()), as_json=args.json, always_list=True)

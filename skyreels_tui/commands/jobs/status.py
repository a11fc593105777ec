"""`status` and `stop`: the process that runs the queue, and what it does."""

from __future__ import annotations

import argparse
import os
import signal
from collections import Counter

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.condition import condition_data, condition_now, condition_words
from skyreels_tui.queue.model import JobState
from skyreels_tui.words.times import rough_duration


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `status` or `stop`."""
    parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Say what goes on, or ask the process that runs the queue to end."""
    return _stop(args, context) if name == "stop" else _show(args, context)


def _show(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        jobs = queue.jobs()
        status, report, owner = queue.status(), queue.progress(), queue.owner_pid
    running = next((job for job in jobs if owner is not None and job.state is JobState.RUNNING), None)
    now = condition_now(status, running, report)
    left_s = report.left_s if now.progress is not None and report is not None else None
    if args.json:
        counts = Counter(str(job.state) for job in jobs)
        left = None if left_s is None else round(left_s, 1)
        output.data({**condition_data(now), "left_s": left, "pid": owner, "jobs": counts})
        return Exit.OK
    words = condition_words(now)
    if report is not None and left_s is not None:
        spread = report.pace.spread() if report.pace is not None else 1.0
        left_words = tr("left {time}", time=rough_duration(left_s, spread))
        words = f"{words}  {left_words}"
    output.line(words)
    return Exit.OK


def _stop(args: argparse.Namespace, context: Context) -> int:
    """At its next step: the job goes on where it was once a process runs the queue again."""
    with context.queue() as queue:
        owner = queue.owner_pid if queue.has_owner else None
    if owner is None:
        output.note(tr("nothing runs the queue"))
    else:
        os.kill(owner, signal.SIGTERM)
        output.note(tr("process {pid} stops at its next step; what it ran goes on from there", pid=owner))
    if args.json:
        output.data({"pid": owner})
    return Exit.OK

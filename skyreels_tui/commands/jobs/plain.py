"""`--plain`: the queue in lines, for screen readers, logs and terminals that cannot draw."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_line
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.follow import Teller
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.queue.events import Event, JobChanged
from skyreels_tui.queue.model import Job


class StateLines:
    """Says each change of a job's state once, as a line; fed from any thread."""

    def __init__(self, jobs: list[Job]) -> None:
        self.teller = Teller("lines")
        self._states = {job.id: job.state for job in jobs}

    def publish(self, event: Event) -> None:
        """Pass an event on, and the new state of a job as a note."""
        if isinstance(event, JobChanged) and self._states.get(event.job.id) != event.job.state:
            self._states[event.job.id] = event.job.state
            self.teller.remark(job_line(event.job))
        self.teller.publish(event)


def run_plain(args: argparse.Namespace, context: Context) -> int:
    """List the queue, run it (or watch the process that does), and say what happens until Ctrl+C."""
    options = context.queue_options(auto_resume=args.resume or context.settings.auto_resume)
    with context.queue() as service:
        jobs = service.jobs(include_finished=False)
    changes = StateLines(jobs)
    with Stop() as stop, context.queue(publish=changes.publish, runs=True, options=options) as service:
        output.note(trn("{count} unfinished job; Ctrl+C ends", "{count} unfinished jobs; Ctrl+C ends", len(jobs)))
        for job in jobs:
            output.note(job_line(job))
        if not service.is_owner:
            output.note(tr("another process runs the queue; this one shows what it does"))
        service.start()
        stop.service = service
        while not stop.over:
            changes.teller.pump()
        stop.settle()
        output.note(tr("stopping at the next step; once more to leave at once"))
    return Exit.OK

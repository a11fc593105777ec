"""`generate`: one job from the shell, from its options to the path of its mp4."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr
from skyreels_tui.commands.jobs.add import add_job, configure_new_job
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.follow import Style, Teller, add_progress_option, follow, tell_results
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.queue.model import Job, JobState


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `generate`."""
    configure_new_job(parser)
    add_progress_option(parser)
    parser.epilog = tr(
        "The job is queued before it runs: when this command is killed, `skyreels-tui run --resume`\n"
        "goes on with it. When another process runs the queue, that one runs the job and this command waits."
    )


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Queue, run, and print the path."""
    job = add_job(args, context)
    return tell_results([run_job(job, args.progress, context)], as_json=args.json)


def run_job(job: Job, progress: Style, context: Context) -> Job:
    """Run one queued job here, or follow it where it runs; returns its row when that is over."""
    teller = Teller(progress)
    options = context.queue_options()
    with Stop() as stop, context.queue(publish=teller.publish, runs=True, options=options) as service:
        service.start(only_job=job.id)
        elsewhere = not service.is_owner
        teller.note(
            tr("job {id} ({label}) queued: another process runs the queue, waiting for it", id=job.id, label=job.label)
            if elsewhere
            else tr("job {id} ({label}) queued", id=job.id, label=job.label)
        )
        [ended] = follow(service, [job.id], teller, stop)
        if elsewhere and service.is_owner and ended.state is JobState.INTERRUPTED:
            # The process that ran it is gone and this one has taken over: the job goes on at its stored step.
            service.actions.resume(job.id)
            follow(service, [job.id], teller, stop)
        if stop.asked:
            teller.note(tr("stopping at the next step; once more to leave at once"))
    # Closing the queue stopped the job where it was asked to, so its row is read after that.
    with context.queue() as service:
        return service.job(job.id)

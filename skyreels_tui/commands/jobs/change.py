"""`cancel`, `retry`, `restart`, `hold`, `release`, `delete`, `undelete`: one change to each of some jobs."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data, job_state_words
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.actions import QueueActions
from skyreels_tui.queue.errors import NoSuchJob, QueueError, QueueTrouble, Trouble
from skyreels_tui.queue.model import Job, JobState

CHANGES: dict[str, Callable[[QueueActions, int], Job]] = {
    "cancel": QueueActions.cancel,
    "retry": QueueActions.again,
    "restart": QueueActions.restart,
    "hold": QueueActions.hold,
    "release": QueueActions.release,
    "delete": QueueActions.delete,
    "undelete": QueueActions.undelete,
}


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of one of the changes."""
    parser.add_job_ids()
    parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Change every job that can be changed; the others are named on stderr and decide the exit code."""
    changed: list[Job] = []
    problems: list[str] = []
    code = Exit.OK
    with context.queue() as queue:
        for job_id in dict.fromkeys(args.jobs):
            try:
                changed.append(CHANGES[name](queue.actions, job_id))
            except QueueTrouble as error:
                # The others would wait just as long for the same answer.
                problems.append(tr("job {id}: {error}", id=job_id, error=error))
                code = max(code, Exit.BUSY if error.trouble is Trouble.BUSY else Exit.FAILED)
                break
            except (QueueError, InvalidRequest) as error:
                problems.append(str(error))
                code = max(code, Exit.NOT_FOUND if isinstance(error, NoSuchJob) else Exit.BUSY)
    if args.json:
        output.data([job_data(job) for job in changed])
    else:
        for job in changed:
            output.line(f"{job.id} {_words(name, job)}")
    if problems:
        raise CommandError(problems, code)
    return code


def _words(name: str, job: Job) -> str:
    if name == "cancel" and job.state is JobState.RUNNING:
        return tr("stops at its next step")
    if name == "delete":
        return tr("deleted; undo: skyreels-tui undelete {id}", id=job.id)
    if job.retry_of is not None and name == "retry":
        return tr("{state}: retries {id}", state=job_state_words(job), id=job.retry_of)
    return job_state_words(job)

"""`list` and `show`: what is in the queue."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.front.language import tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data, job_state_words, why_words
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.requests.planning import used_of
from skyreels_tui.words.times import duration, local

SHOWN_FINISHED = 20
"""Finished jobs in the table unless --all; JSON always has all."""


def configure(parser: Parser, name: str) -> None:
    """Declare the options of `list` or `show`."""
    if name == "show":
        parser.add_job_ids(many=False)
    else:
        parser.add_argument("--status", metavar="WORD", choices=[str(state) for state in JobState])
        parser.add_argument("--batch", help=tr("only the jobs of this batch"))
        parser.add_argument(
            "--all", action="store_true", help=tr("also finished jobs beyond {count}", count=SHOWN_FINISHED)
        )
    parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Print the queue or one job."""
    if name == "show":
        with context.queue() as queue:
            job = queue.job(args.job)
        show_job(job, as_json=args.json)
        return Exit.OK
    with context.queue() as queue:
        jobs = queue.jobs()
    jobs = [job for job in jobs if args.status in (None, str(job.state)) and args.batch in (None, job.batch)]
    if args.json:
        output.data([job_data(job) for job in jobs])
        return Exit.OK
    finished = [job for job in jobs if job.state in FINISHED]
    hidden = 0 if args.all else max(len(finished) - SHOWN_FINISHED, 0)
    shown = jobs[: len(jobs) - hidden]
    if shown:
        output.table([_row(job) for job in shown], ("id", tr("state"), tr("task"), tr("label"), tr("time"), tr("note")))
    else:
        output.note(tr("the queue is empty: skyreels-tui add --help, or skyreels-tui demo"))
    if hidden:
        output.note(trn("{count} more finished job: --all", "{count} more finished jobs: --all", hidden))
    return Exit.OK


def show_job(job: Job, *, as_json: bool) -> None:
    """Print everything about one job."""
    if as_json:
        output.data({**job_data(job), "traceback": job.traceback})
        return
    for key, value in job_data(job).items():
        if key == "request":
            for field, content in sorted(value.items()):
                output.line(f"  {field}: {_plain(content)}")
            for words in used_of(job):
                output.line(f"  {words}")
        elif value not in ("", None, False):
            output.line(f"{key}: {reason_words(job.reason) if key == 'reason' else _said(key, value)}")
    for text in job.traceback.splitlines():
        output.line(f"  {text}")


def _said(key: str, value: Any) -> str:
    """A value for people: times as the clock on the wall shows them."""
    if key.endswith("_at"):
        # A row that another program has damaged is shown as it is.
        with suppress(ValueError, TypeError):
            return f"{local(value):%Y-%m-%d %H:%M:%S}"
    return _plain(value)


def _row(job: Job) -> tuple[str | Path, ...]:
    time = duration(job.run_seconds) if job.run_seconds else "-"
    return (
        str(job.id),
        job_state_words(job),
        job.short,
        job.label,
        time,
        why_words(job) or (Path(job.output) if job.output else ""),
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

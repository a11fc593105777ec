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
from skyreels_tui.queue.condition import Condition, condition_data, condition_now, condition_words
from skyreels_tui.queue.events import JobProgress
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
        status, owner = queue.status(), queue.owner_pid
        reports = {report.job_id: report for report in queue.all_progress()}
    running = [job for job in jobs if owner is not None and job.state is JobState.RUNNING]
    each = [(condition_now(status, job, reports.get(job.id)), reports.get(job.id)) for job in running]
    first, report = next(iter(each), (condition_now(status, None, None), None))
    if args.json:
        output.data(
            {
                **condition_data(first),
                "left_s": _left_s(first, report),
                "running": [_running_data(*one) for one in each],
                "workers": [{"name": name, "kind": kind} for name, kind in status.crew],
                "pid": owner,
                "jobs": Counter(str(job.state) for job in jobs),
            }
        )
        return Exit.OK
    for now, report in each or [(first, None)]:
        output.line(_line(now, report))
    return Exit.OK


def _left_s(now: Condition, report: JobProgress | None) -> float | None:
    """Seconds until the job ends; None while nobody knows."""
    if now.progress is None or report is None or report.left_s is None:
        return None
    return round(report.left_s, 1)


def _running_data(now: Condition, report: JobProgress | None) -> dict[str, object]:
    data = condition_data(now)
    of_job = {key: data[key] for key in ("job", "words", "stage", "step", "num_steps")}
    return {**of_job, "worker": "" if now.job is None else now.job.worker, "left_s": _left_s(now, report)}


def _line(now: Condition, report: JobProgress | None) -> str:
    """What a job does, or the queue without one; with its worker where it has a name, and the time left."""
    words, left_s = condition_words(now), _left_s(now, report)
    if now.job is not None and now.job.worker:
        words = f"{words}  {now.job.worker}"
    if report is None or left_s is None:
        return words
    spread = report.pace.spread() if report.pace is not None else 1.0
    left_words = tr("left {time}", time=rough_duration(left_s, spread))
    return f"{words}  {left_words}"


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

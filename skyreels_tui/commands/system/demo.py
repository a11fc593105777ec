"""`demo`: every task from end to end with the built-in tiny models and the shipped samples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pipelines.demo
from pipelines.front.language import tr
from pipelines.tasks import TASKS, task_named
from skyreels_tui.commands.jobs.generate import run_job
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.fields import DEMO_RESOLUTION
from skyreels_tui.commands.shared.follow import Teller, add_progress_option, tell_results
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.model import Job, JobState

SAMPLES = Path(pipelines.demo.__file__).parent / "samples"


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `demo`."""
    names = [task.name for task in TASKS]
    parser.add_argument(
        "tasks", metavar="TASK", nargs="*", help=tr("{names}; all when left out", names=", ".join(names))
    )
    add_progress_option(parser)
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Queue and run one small job a task; the paths of the mp4 files go to stdout."""
    names = [task.name for task in TASKS]
    unknown = [name for name in args.tasks if name not in names]
    if unknown:
        raise CommandError(
            tr("no task {unknown}: choose {names}", unknown=", ".join(map(repr, unknown)), names=", ".join(names))
        )
    Teller(args.progress).note(
        tr("demo: tiny models with random weights; every video is noise, made the way real ones are")
    )
    code = Exit.OK
    done: list[Job] = []
    for name in args.tasks or names:
        job = run_job(_add(name, context), args.progress, context)
        code = code or tell_results([job], as_json=False) if not args.json else code
        done.append(job)
        if job.state in (JobState.INTERRUPTED, JobState.QUEUED, JobState.RUNNING):
            break
    return tell_results(done, as_json=True, always_list=True) if args.json else code


def sample(pattern: str) -> str:
    """Return the path of a shipped sample; raises CommandError when the installation lacks it."""
    found = sorted(SAMPLES.glob(pattern))
    if not found:
        raise CommandError(
            tr("the sample {pattern} is not in {folder}: install the program again", pattern=pattern, folder=SAMPLES),
            Exit.NOT_FOUND,
        )
    return str(found[0])


def _add(name: str, context: Context) -> Job:
    task = task_named(name)
    fields: dict[str, Any] = {
        field: tuple(map(sample, value)) if isinstance(value, tuple) else value for field, value in task.demo.items()
    }
    request = task.request_type(**fields, resolution=DEMO_RESOLUTION, profile="demo")
    with context.queue() as queue:
        return queue.actions.add(request, label=f"demo-{task.short}")

"""Jobs that need no model: finished clips become something else in this process; knows no device and no checkpoint."""

from __future__ import annotations

from pathlib import Path

from pipelines.front.request import Request
from pipelines.front.runtime import Output, Runtime
from pipelines.tasks import WORK
from skyreels_tui import __version__
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import Job


def needs_model(job: Job) -> bool:
    """False for what is made of finished clips alone; a row that cannot be read says so in its attempt."""
    return next((bool(task.components) for task in WORK if task.name == job.task_type), True)


def run_without_model(context: JobContext, request: Request) -> Output:
    """Run a job that needs neither checkpoint nor device."""
    runtime = Runtime(
        device="cpu",
        cache_dir=context.work_dir,
        work_dir=context.work_dir,
        result_dir=context.result_dir,
        output_stem=context.output_stem,
        checkpoint=Path(),
        metadata={"app_version": __version__, "job_id": context.job.id, "label": context.job.label},
        poll=context.poll,
        log=context.log,
    )
    output: Output = context.job.task.load_entry()(request, runtime, None, context.report)
    return output

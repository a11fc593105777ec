"""`quality`: one job computed exactly and in an approximate way with the same seed, and how alike the two are."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import tempfile
import time
from pathlib import Path

from pipelines.front.errors import InvalidRequest, PipelineError
from pipelines.front.language import tr
from pipelines.front.progress import Progress, Stage
from pipelines.front.request import Request
from pipelines.front.runtime import Output, never
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.fields import add_task_options, asked_request
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.queue.engine.executor import Executor, JobContext
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.quality import QUALITY_FILE, WAYS, Figures, QualityBook
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.rows import utc_now
from skyreels_tui.requests.presets import Presets
from skyreels_tui.words.times import duration

FOLDER = "quality"
"""Below the results folder."""


def configure(parser: Parser, _name: str) -> None:
    """Declare the fields of a job, and which way to try."""
    add_task_options(parser)
    parser.add_argument("--way", choices=WAYS, default=WAYS[0], help=tr("the approximate way to compare"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Make both videos, print the figures; exit code 1 when they are beyond the settings' limits."""
    task, request = asked_request(args, context.settings, Presets(context.folders.presets))
    exact = dataclasses.replace(request, quality="exact", low_vram=False)
    other = (
        dataclasses.replace(exact, low_vram=True)
        if args.way == "low_vram"
        else dataclasses.replace(exact, quality=args.way)
    )
    if problems := exact.check():
        raise CommandError([str(problem) for problem in problems])
    context.folders.create()
    lock = OwnerLock(context.folders.lock)
    if not lock.acquire():
        raise CommandError(
            tr("another process runs the queue on this GPU: let it end or stop it, then try again"), Exit.BUSY
        )
    try:
        figures, files = compare_ways(task, exact, other, args.way, context)
    finally:
        lock.release()
    gpu, limits = context.services.gpu_name(), context.settings.limits
    QualityBook(context.folders.state / QUALITY_FILE).keep(gpu, task.name, args.way, figures)
    beyond = figures.beyond(limits)
    if args.json:
        output.data(
            {
                "task_type": task.name,
                "way": args.way,
                "gpu": gpu,
                "passed": not beyond,
                "beyond": beyond,
                "files": [str(file) for file in files],
                **dataclasses.asdict(figures),
                # JSON has no infinity.
                "psnr_db": figures.psnr_db if math.isfinite(figures.psnr_db) else None,
            }
        )
        return Exit.FAILED if beyond else Exit.OK
    steps = " ".join(f"{value:.4f}" for value in figures.velocity)
    output.line(tr("relative L2 of the velocity, a step: {steps}", steps=steps))
    output.line(tr("PSNR {psnr:.1f} dB, SSIM {ssim:.4f}", psnr=figures.psnr_db, ssim=figures.ssim))
    saved = figures.exact_s - figures.fast_s
    output.line(
        tr(
            "steps: {exact} exactly, {fast} so: {saved:.1f} s saved",
            exact=duration(figures.exact_s),
            fast=duration(figures.fast_s),
            saved=saved,
        )
    )
    for file in files:
        output.path(str(file))
    if beyond:
        output.note(tr("beyond the limits of the settings: {what}", what=", ".join(beyond)))
    else:
        output.note(tr("within the limits of the settings"))
    return Exit.FAILED if beyond else Exit.OK


def compare_ways(
    task: TaskSpec, exact: Request, other: Request, way: str, context: Context
) -> tuple[Figures, tuple[Path, Path]]:
    """Make the two videos and their figures; the files stay in the results folder."""
    from pipelines.media.read.likeness import likeness
    from pipelines.running.resume import relative_velocities

    executor = context.services.executor()
    names, outputs, seconds = ("exact", way), [], []
    with tempfile.TemporaryDirectory(dir=context.folders.state, prefix="quality-") as folder, Stop() as stop:
        for name, request in zip(names, (exact, other), strict=True):
            work = Path(folder, name)
            (work / "velocities").mkdir(parents=True)
            made, steps_s = _make(executor, task, request, name, work, context, stop)
            outputs.append(made)
            seconds.append(steps_s)
        executor.close()
        velocities = relative_velocities(Path(folder, names[0]), Path(folder, names[1]))
    alike = likeness(outputs[0].path, outputs[1].path)
    figures = Figures(velocities, alike.psnr_db, alike.ssim, seconds[0], seconds[1])
    return figures, (outputs[0].path, outputs[1].path)


def _make(
    executor: Executor, task: TaskSpec, request: Request, name: str, work: Path, context: Context, stop: Stop
) -> tuple[Output, float]:
    """One video, and the seconds of its steps; the first step counts as the second, because it pays for warming up."""
    marks: list[float] = []

    def report(progress: Progress) -> None:
        if stop.over:
            raise CommandError(tr("stopped; the figures are not known"), Exit.CANCELLED)
        if progress.stage is Stage.DENOISE:
            marks.append(time.perf_counter())
            if progress.step:
                output.note(f"{name}: {progress.step}/{progress.num_steps}")

    stem = f"{request.seed}-{name}"
    job = Job(0, name, task.name, request.to_json(), JobState.RUNNING, 0.0, utc_now(), output_stem=stem)
    result_dir = context.result_dir / FOLDER
    try:
        made = executor.run(JobContext(job, report, work, result_dir, stem, never, output.note))
    except InvalidRequest as error:
        raise CommandError([str(problem) for problem in error.problems]) from None
    except PipelineError as error:
        raise CommandError(str(error), Exit.FAILED) from None
    steps = [after - before for before, after in itertools.pairwise(marks)]
    if len(steps) > 1:
        steps[0] = steps[1]
    return made, sum(steps)

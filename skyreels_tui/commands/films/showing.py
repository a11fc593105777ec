"""`film list`, `show` and `status`: films and where they stand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import film_data, job_state_words, scene_data, why_words
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.film import NOT_BEGUN, Film, Scene
from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.hours import work_ends
from skyreels_tui.words.times import clock

if TYPE_CHECKING:
    from skyreels_tui.queue.service import QueueService

Add = Callable[[str, str], Parser]


def configure(add: Add) -> None:
    """Declare the three."""
    with_json(add("list", tr("every film and where it stands (the default action)")))
    with_film(add("show", tr("the scenes of a film and their takes")))
    with_film(add("status", tr("where a film stands, in one line")))


def with_film(parser: Parser) -> Parser:
    """Take the name of a film, and --json."""
    parser.add_argument("film", metavar="NAME", help=tr("name of the film, as `film list` shows it"))
    return with_json(parser)


def with_json(parser: Parser) -> Parser:
    """Take --json, which the command itself takes too."""
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
    return parser


def standing(film: Film) -> str:
    """Return '12/59 done, 1 failed, 1 running'."""
    counts = film.counts
    parts = [tr("{done}/{count} done", done=counts[JobState.DONE], count=len(film.scenes))]
    parts += [f"{counts[state]} {tr(state)}" for state in JobState if state is not JobState.DONE and counts[state]]
    parts += [f"{film.not_begun} {tr(NOT_BEGUN)}"] if film.not_begun else []
    return ", ".join(parts)


def scene_called(film: Film, text: str) -> Scene:
    """The scene with this number or label; CommandError where there is none."""
    plain = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if 0 < plain <= len(film.scenes):
        return film.scenes[plain - 1]
    named = [scene for scene in film.scenes if scene.name == text]
    if len(named) == 1:
        return named[0]
    words = (
        tr("film {film!r} has several scenes {text!r}: give the number", film=film.name, text=text)
        if named
        else tr("film {film!r} has no scene {text!r}", film=film.name, text=text)
    )
    raise CommandError(words, Exit.NOT_FOUND)


def _list(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        films = queue.films()
    if args.json:
        output.data([film_data(film) for film in films])
    elif films:
        rows = [(film.name, film.project, standing(film)) for film in films]
        output.table(rows, (tr("film"), tr("project"), tr("scenes")))
    else:
        output.note(tr("there is no film: `film new NAME`, `film import FILE` or `add --batch NAME` begins one"))
    return Exit.OK


def _status(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        film = queue.film(args.film)
        ends = _ends(film, queue, context)
    if args.json:
        output.data({**film_data(film), "ends_at": None if ends is None else ends.isoformat(timespec="seconds")})
        return Exit.OK
    now = context.services.wall_clock().astimezone()
    when = "" if ends is None else "  " + tr("ends {time}", time=clock(ends, now))
    output.line(f"{film.name}  {standing(film)}{when}")
    return Exit.OK


def _show(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        film = queue.film(args.film)
    if args.json:
        output.data({**film_data(film), "scenes": [scene_data(scene) for scene in film.scenes]})
        return Exit.OK
    rows: list[tuple[str | Path, ...]] = []
    for number, scene in enumerate(film.scenes, 1):
        if not scene.takes:
            rows.append((str(number), "-", scene.name, scene.task, tr(NOT_BEGUN), ""))
        for take in scene.takes:
            first = str(number) if take is scene.takes[0] else ""
            mark = "*" if take is scene.chosen else ""
            rest = Path(take.output) if take.state is JobState.DONE else why_words(take)
            rows.append((first, f"{take.id}{mark}", take.label, take.task_type, job_state_words(take), rest))
    output.table(rows, (tr("scene"), tr("take"), tr("label"), tr("task"), tr("state"), ""))
    return Exit.OK


def _ends(film: Film, queue: QueueService, context: Context) -> datetime | None:
    """When the last of its jobs ends that run by themselves; None where nobody can say."""
    from skyreels_tui.eta.film_ends import film_ends
    from skyreels_tui.eta.forecast import Forecast
    from skyreels_tui.eta.running import RunningTimes

    jobs, status, reports = queue.plannable(), queue.status(), queue.all_progress()
    if queue.owner_pid is None or not any(job.batch == film.name for job in jobs):
        return None
    told = Forecast(lambda: jobs, context.services.rates, lambda: reports, crew=lambda: status.crew).read()
    if told.running is None and status.pause not in ("", "hours"):
        return None
    running = [job.id for job in jobs if job.state is JobState.RUNNING]
    takes = {**dict(told.job_seconds), **dict(zip(running, told.running_seconds, strict=True))}
    times = RunningTimes()
    times.hear(reports)
    ends = film_ends(
        jobs, lambda job: takes.get(job.id), lambda job: takes.get(job.id) if times.is_told(job) else None, told.workers
    )
    now = context.services.wall_clock().astimezone()
    return work_ends(now, ends[film.name], context.settings.running_hours) if film.name in ends else None


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "list": _list,
    "show": _show,
    "status": _status,
}

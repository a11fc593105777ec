"""`film`: what the batches of the queue are to a person: films of scenes, each with its takes."""

from __future__ import annotations

import argparse

from pipelines.front.language import tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import film_data, job_state_words, scene_data, why_words
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService


def configure(parser: Parser, _name: str) -> None:
    """Declare the actions of `film`."""
    add = parser.add_actions("list | show | status | choose | resume")
    listed = add("list", tr("every film and where it stands (the default action)"))
    shown = add("show", tr("the scenes of a film and their takes"))
    status = add("status", tr("where a film stands, in one line"))
    chosen = add("choose", tr("let finished jobs stand for their scenes, instead of the newest ones"))
    resumed = add("resume", tr("try the failed scenes of a film again; what waits for them follows"))
    for one in (shown, status, resumed):
        one.add_argument("film", metavar="NAME", help=tr("name of the film, as `film list` shows it"))
    chosen.add_job_ids()
    for one in (listed, shown, status, chosen, resumed):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Show films, or change one."""
    with context.queue() as queue:
        match args.action:
            case "show":
                _show(queue.film(args.film), as_json=args.json)
            case "status":
                _status(queue.film(args.film), as_json=args.json)
            case "choose":
                queue.actions.choose_takes(args.jobs)
                if args.json:
                    output.data(args.jobs)
            case "resume":
                _resume(queue, args.film, as_json=args.json)
            case _:
                _list(queue.films(), as_json=args.json)
    return Exit.OK


def standing(film: Film) -> str:
    """Return '12/59 done, 1 failed, 1 running'."""
    counts = film.counts
    parts = [tr("{done}/{count} done", done=counts[JobState.DONE], count=len(film.scenes))]
    parts += [f"{counts[state]} {tr(state)}" for state in JobState if state is not JobState.DONE and counts[state]]
    return ", ".join(parts)


def _list(films: list[Film], *, as_json: bool) -> None:
    if as_json:
        output.data([film_data(film) for film in films])
    elif films:
        output.table([(film.name, standing(film)) for film in films], (tr("film"), tr("scenes")))
    else:
        output.note(tr("there is no film: `import FILE` or `add --batch NAME` begins one"))


def _status(film: Film, *, as_json: bool) -> None:
    if as_json:
        output.data(film_data(film))
    else:
        output.line(f"{film.name}  {standing(film)}")


def _show(film: Film, *, as_json: bool) -> None:
    if as_json:
        output.data({**film_data(film), "scenes": [scene_data(scene) for scene in film.scenes]})
        return
    rows = []
    for number, scene in enumerate(film.scenes, 1):
        for take in scene.takes:
            first = str(number) if take is scene.takes[0] else ""
            mark = "*" if take is scene.chosen else ""
            rest = take.output if take.state is JobState.DONE else why_words(take)
            rows.append((first, f"{take.id}{mark}", take.label, take.task_type, job_state_words(take), rest))
    output.table(rows, (tr("scene"), tr("take"), tr("label"), tr("task"), tr("state"), ""))


def _resume(queue: QueueService, name: str, *, as_json: bool) -> None:
    """Every scene without a finished take whose newest take failed gets another one."""
    failed = [scene.shown for scene in queue.film(name).scenes if scene.shown.state is JobState.FAILED]
    jobs = [queue.actions.retry(job.id) for job in failed]
    if as_json:
        output.data([job.id for job in jobs])
    else:
        for job in jobs:
            output.line(str(job.id))
        output.note(trn("{count} scene is tried again", "{count} scenes are tried again", len(jobs)))

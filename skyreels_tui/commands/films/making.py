"""`film run`, `resume`, `hold`, `cancel` and `choose`: jobs from scenes, and which of them stands for one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from pipelines.front.language import tr, trn
from skyreels_tui.commands.films.showing import Add, scene_called, with_film, with_json
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.films.takes import RunOutcome, Which, cancel_film, hold_film, run_film
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import Job


def configure(add: Add) -> None:
    """Declare the five."""
    run = with_film(add("run", tr("queue the scenes of a film that are not done and for which nothing waits")))
    which = run.add_mutually_exclusive_group()
    which.add_argument("--failed", action="store_true", help=tr("only scenes that have failed"))
    which.add_argument("--another", action="store_true", help=tr("one more take of --scenes, each with a new seed"))
    run.add_argument("--from", dest="first", metavar="SCENE", help=tr("from this scene on: its number or label"))
    run.add_argument("--scenes", metavar="SCENE", nargs="+", help=tr("only these: numbers or labels"))
    run.add_argument("--held", action="store_true", help=tr("queue them held: they run after `release`"))
    with_film(add("resume", tr("try the failed scenes of a film again; what waits for them follows")))
    with_film(add("hold", tr("hold every job of a film that waits")))
    with_film(add("cancel", tr("cancel every job of a film that has not ended")))
    choose = with_json(add("choose", tr("let finished jobs stand for their scenes, instead of the newest ones")))
    choose.add_job_ids()


def _run(args: argparse.Namespace, context: Context) -> int:
    which = Which.FAILED if args.failed else Which.ANOTHER if args.another else Which.ALL
    with context.queue() as queue:
        film = queue.film(args.film)
        made = run_film(queue, film, which, only=_asked(args, film), held=args.held)
    return _tell(made, as_json=args.json)


def _asked(args: argparse.Namespace, film: Film) -> set[int] | None:
    """Ids of the scenes that the options speak of, None for all."""
    asked = None if args.scenes is None else {scene_called(film, text).id for text in args.scenes}
    if args.first is not None:
        first = film.scenes.index(scene_called(film, args.first))
        later = {scene.id for scene in film.scenes[first:]}
        asked = later if asked is None else asked & later
    return asked


def _tell(made: RunOutcome, *, as_json: bool) -> int:
    if as_json:
        problems = [{"field": problem.field, "message": problem.message} for problem in made.problems]
        output.data({"jobs": [job.id for job in made.jobs], "problems": problems})
    else:
        for job in made.jobs:
            output.line(str(job.id))
        output.note(trn("{count} scene queued", "{count} scenes queued", len(made.jobs)))
    for problem in made.problems:
        output.note(f"{problem.field}: {problem.message}")
    return Exit.FAILED if made.problems else Exit.OK


def _resume(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        made = run_film(queue, queue.film(args.film), Which.FAILED)
    if args.json:
        output.data([job.id for job in made.jobs])
    else:
        for job in made.jobs:
            output.line(str(job.id))
        output.note(trn("{count} scene is tried again", "{count} scenes are tried again", len(made.jobs)))
    for problem in made.problems:
        output.note(f"{problem.field}: {problem.message}")
    return Exit.FAILED if made.problems else Exit.OK


def _hold(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        return _ids(hold_film(queue, queue.film(args.film)), as_json=args.json)


def _cancel(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        return _ids(cancel_film(queue, queue.film(args.film)), as_json=args.json)


def _ids(jobs: Sequence[Job], *, as_json: bool) -> int:
    if as_json:
        output.data([job.id for job in jobs])
    else:
        for job in jobs:
            output.line(str(job.id))
    return Exit.OK


def _choose(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        queue.actions.choose_takes(args.jobs)
    if args.json:
        output.data(args.jobs)
    return Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "run": _run,
    "resume": _resume,
    "hold": _hold,
    "cancel": _cancel,
    "choose": _choose,
}

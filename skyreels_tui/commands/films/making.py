"""`film run`, `resume`, `hold`, `cancel`, `choose` and `join`: jobs from scenes, and one video from theirs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr, trn
from pipelines.front.request import check_fields
from skyreels_tui.commands.films.showing import Add, scene_called, with_film, with_json
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.films.helping import kinds_with_command
from skyreels_tui.films.joining import JoinOptions, join_remarks, join_request, queue_join
from skyreels_tui.films.takes import RunOutcome, Which, cancel_film, hold_film, run_film
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import Job


def configure(add: Add) -> None:
    """Declare the six."""
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
    join = with_film(add("join", tr("queue what makes one video of the chosen takes, with sound and subtitles")))
    join.add_argument(
        "--overlong",
        choices=("hold", "run_on", "refuse"),
        default="hold",
        help=tr("narration longer than its clip: hold the last frame, run on into the next scene, or refuse"),
    )
    join.add_argument("--cross-fade", type=int, default=0, metavar="N", help=tr("frames that scenes blend over"))
    join.add_argument("--music-percent", type=int, default=28, metavar="N", help=tr("of the voices' loudness"))
    join.add_argument("--without-missing", action="store_true", help=tr("leave out scenes that have no clip"))
    join.add_argument("--dry-run", action="store_true", help=tr("only say what would be done"))


def _run(args: argparse.Namespace, context: Context) -> int:
    which = Which.FAILED if args.failed else Which.ANOTHER if args.another else Which.ALL
    with context.queue() as queue:
        film = queue.film(args.film)
        helps = kinds_with_command(context.settings)
        made = run_film(queue, film, which, only=_asked(args, film), held=args.held, helps=helps)
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
        _ids(made.jobs, as_json=False)
        output.note(trn("{count} scene queued", "{count} scenes queued", len(made.jobs)))
    return _problems(made)


def _problems(made: RunOutcome) -> int:
    """Name the scenes that could not be queued; what that makes of the exit code."""
    for problem in made.problems:
        output.note(f"{problem.field}: {problem.message}")
    return Exit.FAILED if made.problems else Exit.OK


def _resume(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        made = run_film(queue, queue.film(args.film), Which.FAILED, helps=kinds_with_command(context.settings))
    _ids(made.jobs, as_json=args.json)
    if not args.json:
        output.note(trn("{count} scene is tried again", "{count} scenes are tried again", len(made.jobs)))
    return _problems(made)


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


def _join(args: argparse.Namespace, context: Context) -> int:
    options = JoinOptions(args.overlong, args.cross_fade, args.music_percent, args.without_missing)
    with context.queue() as queue:
        request = join_request(queue.film(args.film), options)
        if problems := check_fields(request):
            raise InvalidRequest(problems)
        remarks = join_remarks(request)
        job = None if args.dry_run else queue_join(queue, request)
    for remark in remarks:
        output.note(remark)
    if args.json:
        output.data({"job": None if job is None else job.id, "remarks": list(remarks)})
    elif job is not None:
        output.line(str(job.id))
    return Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "run": _run,
    "resume": _resume,
    "hold": _hold,
    "cancel": _cancel,
    "choose": _choose,
    "join": _join,
}

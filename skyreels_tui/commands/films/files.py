"""`film import` and `film export`: films as files, looked at before anything is stored."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.front.durable import write_whole
from pipelines.front.errors import Problem
from pipelines.front.language import reason_of, tr, trn
from pipelines.front.request import Request
from pipelines.media.remote.address import host_of
from pipelines.tasks import task_of
from skyreels_tui.commands.films.showing import Add, with_film, with_json
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.films.exporting import film_to_json, film_to_markdown
from skyreels_tui.films.film_plan import FilmPlan
from skyreels_tui.films.helping import kinds_with_command
from skyreels_tui.films.importing import Fetch, plan_import
from skyreels_tui.films.projects import project_problem
from skyreels_tui.films.takes import run_film


def configure(add: Add) -> None:
    """Declare the two."""
    into = with_json(add("import", tr("make films from a file; nothing is queued before `film run`")))
    into.add_argument("file", metavar="FILE", help=tr("JSON list or exported object, or Markdown with '## label'"))
    into.add_argument("--name", default="", help=tr("name of the film; default: what the file says, or its name"))
    into.add_argument("--project", help=tr("instead of what the file says"))
    into.add_argument("--look-in", metavar="DIR", action="append", default=[], help=tr("where its files may be too"))
    into.add_argument("--dry-run", action="store_true", help=tr("only show what would be made"))
    into.add_argument("--rest", action="store_true", help=tr("leave out scenes with mistakes and import the rest"))
    into.add_argument("--fetch", action="store_true", help=tr("fetch the web addresses that it names"))
    into.add_argument("--run", action="store_true", help=tr("queue its scenes at once"))
    out = with_film(add("export", tr("write a film as a file that `film import` reads")))
    out.add_argument("-o", "--file", metavar="FILE", help=tr("write here instead of stdout"))
    out.add_argument("--format", choices=("json", "markdown"), help=tr("default: by the file's ending, else json"))


def _import(args: argparse.Namespace, context: Context) -> int:
    if args.project and (problem := project_problem(args.project)):
        raise CommandError(f"project: {problem}")
    fetch = _fetch(context) if args.fetch and not args.dry_run else None
    folders = [Path(folder).expanduser() for folder in args.look_in]
    plans = plan_import(Path(args.file), name=args.name, folders=folders, fetch=fetch)
    problems = [problem for plan in plans for problem in plan.all_problems]
    if not args.json or (problems and not args.rest and not args.dry_run):
        for plan in plans:
            _show(plan)
    if args.dry_run:
        if args.json:
            output.data({"films": [plan_data(plan) for plan in plans], "jobs": []})
        return Exit.REFUSED if problems else Exit.OK
    if problems and not (args.rest and all(plan.can_be_left for plan in plans)):
        raise CommandError(tr("nothing was imported: mend the file, or give --rest for the other scenes"))
    jobs: list[int] = []
    with context.queue() as queue:
        new = [plan.new_film(args.project) for plan in plans]
        films = queue.actions.films.create(*new, result_dir=str(queue.actions.results_of("")))
        if args.run:
            for film in films:
                done = run_film(queue, film, helps=kinds_with_command(context.settings))
                jobs += [job.id for job in done.jobs]
                for left in done.problems:
                    output.note(f"{left.field}: {left.message}")
    if args.json:
        output.data({"films": [plan_data(plan) for plan in plans], "jobs": jobs})
    else:
        for film in films:
            output.line(film.name)
    return Exit.OK


def _fetch(context: Context) -> Fetch:
    # urllib and the probes are paid by those who say yes.
    from pipelines.media.remote.fetch import fetch

    return lambda address, media: str(fetch(address, media, context.folders.downloads))


def _show(plan: FilmPlan) -> None:
    """Say what would be made, on stderr: stdout belongs to the names."""
    parts = [
        trn("{count} scene", "{count} scenes", len(plan.new_scenes)),
        trn("{count} warning", "{count} warnings", len(plan.warnings)),
        trn("{count} problem", "{count} problems", len(plan.all_problems)),
    ]
    output.note(f"{plan.name}: {', '.join(parts)}")
    for scene in plan.scenes:
        for line in scene.refers:
            output.note(f"{scene.where}: {line}")
    _list(tr("warning"), plan.warnings)
    _list(tr("waits"), plan.all_waits)
    for address in plan.addresses:
        output.note(tr("web address on {host}: fetched with --fetch alone", host=host_of(address)))
    _list(tr("problem"), plan.all_problems)


def _list(word: str, problems: tuple[Problem, ...] | list[Problem]) -> None:
    for problem in problems:
        output.note(f"{word}: {problem.field}: {problem.message}")


def plan_data(plan: FilmPlan) -> dict[str, Any]:
    """Return what would be made as a JSON object."""
    return {
        "name": plan.name,
        "project": plan.project,
        "title": plan.facts.title,
        "music": plan.facts.music,
        "scenes": [
            {
                "number": one.number,
                "label": one.label,
                "task_type": None if one.scene is None else _task(one.scene.request),
                "imported": one.scene is not None,
                "done": one.scene is not None and bool(one.scene.output),
                "refers": list(one.refers),
            }
            for one in plan.scenes
        ],
        "warnings": _plain(plan.warnings),
        "waits": _plain(plan.all_waits),
        "problems": _plain(plan.all_problems),
        "addresses": plan.addresses,
    }


def _task(request: Request) -> str:
    return task_of(request).name


def _plain(problems: tuple[Problem, ...] | list[Problem]) -> list[dict[str, str]]:
    return [{"field": problem.field, "message": problem.message} for problem in problems]


def _export(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        film = queue.film(args.film)
    target = Path(args.file) if args.file else None
    by_ending = "markdown" if target is not None and target.suffix.lower() in (".md", ".markdown") else "json"
    written = film_to_markdown(film) if (args.format or by_ending) == "markdown" else film_to_json(film)
    if target is None:
        output.document(written)
        return Exit.OK
    try:
        write_whole(target, written.encode("utf-8", "surrogateescape"), private=False)
    except OSError as error:
        raise CommandError(f"{target}: {reason_of(error)}", Exit.FAILED) from None
    if args.json:
        output.data({"file": str(target)})
    return Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {"import": _import, "export": _export}

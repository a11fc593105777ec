"""`import`, `export` and `finalize`: lists of jobs as files, and the clips of one joined."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.front.durable import write_whole
from pipelines.front.errors import InvalidRequest
from pipelines.front.language import reason_of, tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import job_data
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser, job_id
from skyreels_tui.films.at_once import FilmsAtOnce, says_more
from skyreels_tui.films.helping import kinds_with_command
from skyreels_tui.films.importing import plan_import
from skyreels_tui.queue.batches import batch, batch_file
from skyreels_tui.queue.errors import NoSuchFilm
from skyreels_tui.queue.model import FINISHED
from skyreels_tui.queue.store.rows import NewJob


def configure(parser: Parser, name: str) -> None:
    """Declare the options of one of the three."""
    if name == "import":
        parser.add_argument(
            "files", metavar="FILE", nargs="+", help=tr("JSON array, or Markdown with '## label' sections")
        )
        parser.add_argument("--batch", default="", help=tr("name of the batch; default: the title or the file's name"))
        parser.add_json()
    elif name == "export":
        parser.add_argument("jobs", metavar="ID", type=job_id, nargs="*", help=tr("default: all unfinished jobs"))
        parser.add_argument("--batch", help=tr("the jobs of this batch"))
        parser.add_argument("--all", action="store_true", help=tr("finished jobs too"))
        parser.add_argument(
            "--format", choices=("json", "markdown"), help=tr("default: by the file's ending, else json")
        )
        parser.add_argument("-o", "--file", metavar="FILE", help=tr("write here instead of stdout"))
    else:
        parser.add_argument("batch", metavar="NAME", help=tr("name of the batch, as `list` shows it"))
        parser.add_json()


def run(name: str, args: argparse.Namespace, context: Context) -> int:
    """Do one of the three."""
    return {"import": _import, "export": _export, "finalize": _finalize}[name](args, context)


def _import(args: argparse.Namespace, context: Context) -> int:
    """Read every file, then add all jobs or none."""
    entries: list[NewJob] = []
    others: list[Path] = []
    for path in map(Path, args.files):
        try:
            entries += batch_file.read_batch(path, name=args.batch)
        except InvalidRequest:
            # Another page's file: keys that mean nothing here, numbers for references, an exported object.
            if not _holds_films(path):
                raise
            others.append(path)
    helps = kinds_with_command(context.settings)
    with context.queue() as queue:
        films = FilmsAtOnce(queue, [plan for path in others for plan in plan_import(path, name=args.batch)], helps)
        for warning in films.warnings:
            output.note(f"{warning.field}: {warning.message}")
        if problems := films.problems:
            raise InvalidRequest(problems)
        jobs = queue.actions.add_many(entries, checked=True)
        made, left = films.make()
        jobs += made
    for one in left:
        output.note(tr("waits: {field}: {message}", field=one.field, message=one.message))
    if args.json:
        output.data([job_data(job) for job in jobs])
    else:
        for job in jobs:
            output.line(str(job.id))
        output.note(trn("{count} job queued", "{count} jobs queued", len(jobs)))
    return Exit.OK


def _holds_films(path: Path) -> bool:
    try:
        return says_more(path)
    except InvalidRequest:
        return False


def _export(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        jobs = [queue.job(number) for number in dict.fromkeys(args.jobs)] if args.jobs else queue.jobs()
    if not args.jobs:
        # A whole batch is its finished jobs too.
        jobs = [job for job in jobs if args.all or args.batch is not None or job.state not in FINISHED]
        jobs = [job for job in jobs if args.batch in (None, job.batch)]
        jobs.sort(key=lambda job: (job.position, job.id))
    if args.batch is not None and not jobs:
        raise CommandError(tr("there is no batch {batch!r}", batch=args.batch), Exit.NOT_FOUND)
    target = Path(args.file) if args.file else None
    by_ending = "markdown" if target is not None and target.suffix.lower() in (".md", ".markdown") else "json"
    written = batch_file.to_json(jobs)
    if (args.format or by_ending) == "markdown":
        written = batch_file.to_markdown(jobs, args.batch or "")
    if target is None:
        output.document(written)
        return Exit.OK
    try:
        write_whole(target, written.encode("utf-8", "surrogateescape"), private=False)
    except OSError as error:
        raise CommandError(f"{target}: {reason_of(error)}", Exit.FAILED) from None
    output.note(trn("{count} job written to {target}", "{count} jobs written to {target}", len(jobs), target=target))
    return Exit.OK


def _finalize(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        try:
            film = queue.film(args.batch)
        except NoSuchFilm:
            raise CommandError(tr("there is no batch {batch!r}", batch=args.batch), Exit.NOT_FOUND) from None
    path = batch.finalize(args.batch, [scene.shown for scene in film.scenes if scene.shown], context.result_dir)
    if args.json:
        output.data({"batch": args.batch, "output": str(path)})
    else:
        output.path(str(path))
    return Exit.OK

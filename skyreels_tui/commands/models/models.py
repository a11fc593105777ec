"""`models`: the checkpoints on this machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.checkpoints.damage import DAMAGE_FILE, DamageBook
from pipelines.checkpoints.download.fetch import TELL_S
from pipelines.checkpoints.download.hub import DownloadPlan, check_room, needed_components, plan_download
from pipelines.checkpoints.download.meter import Moved
from pipelines.checkpoints.inventory import PRESENCE_WORDS
from pipelines.checkpoints.locate import hub_cache
from pipelines.checkpoints.prepared import (
    Prepared,
    gains,
    prepare_weights,
    prepared_files,
    prepared_from,
    remove_prepared,
    start_bytes,
    weight_files,
)
from pipelines.checkpoints.registry import CHECKPOINTS, Checkpoint
from pipelines.checkpoints.shelf import Shelved, families_in, removable, remove_checkpoint, remove_damaged, shelf
from pipelines.checkpoints.verify import Finding, verify
from pipelines.front.language import tr, trn
from pipelines.front.places import as_folder, is_folder
from pipelines.tasks import TASKS
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.shared.stopping import Stop
from skyreels_tui.downloads.transfers import Transfer, TransferKind, TransferState
from skyreels_tui.settings.settings import SettingsError
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import duration

ACTIONS = "list | download | verify | path | purge | use | prepare"
TELL_EVERY_S = 1.0
"""Between two lines of progress on stderr."""


def configure(parser: Parser, _name: str) -> None:
    """Declare the actions."""
    add = parser.add_actions(ACTIONS)
    families = tr("{families}, the name of a task, or a repository id", families=", ".join(CHECKPOINTS))
    tasks = [task.name for task in TASKS]

    def action(name: str, text: str, *, model: str | None = None) -> Parser:
        added = add(name, text)
        if model is not None:
            added.add_argument("model", metavar="MODEL", nargs=model, help=families)
        added.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
        return added

    action("list", tr("what is here, in part here, missing or damaged (the default action)"))
    fetch = action("download", tr("fetch a model into the shared cache; run again to go on"), model=None)
    fetch.add_argument("model", metavar="MODEL", help=families)
    fetch.add_argument("--task", action="append", choices=tasks, default=[], help=tr("only what this task needs"))
    fetch.add_argument("--plan", action="store_true", help=tr("say what would be fetched, and stop"))
    check = action("verify", tr("check files, headers and checksums"), model="?")
    check.add_argument("--task", action="append", choices=tasks, default=[], help=tr("only what this task needs"))
    check.add_argument("--quick", action="store_true", help=tr("headers only, no checksums"))
    action("path", tr("print the folder of a model"), model=None).add_argument("model", metavar="MODEL", help=families)
    purge = action("purge", tr("remove a model from the shared cache, after a question"), model=None)
    purge.add_argument("model", metavar="MODEL", help=families)
    purge.add_argument("--yes", action="store_true", help=tr("ask nothing"))
    use = action("use", tr("take a model from a folder of your own; '' goes back to the cache"))
    use.add_argument("path", metavar="PATH")
    use.add_argument(
        "--model", choices=list(CHECKPOINTS), help=tr("which one it is; told from its files when left out")
    )
    ready = action(
        "prepare", tr("keep text encoders once more in the form they are computed in, packed: faster starts"), model="?"
    )
    ready.add_argument(
        "--transformer",
        action="store_true",
        help=tr("transformers too: a start reads a third less, and the disk holds two thirds of them once more"),
    )
    ready.add_argument("--remove", action="store_true", help=tr("remove what was prepared"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Do one action."""
    actions = {
        "download": _download,
        "verify": _verify,
        "path": _path,
        "purge": _purge,
        "use": _use,
        "prepare": _prepare,
    }
    return actions.get(args.action, _list)(args, context)


def checkpoint_named(name: str) -> Checkpoint:
    """Return the checkpoint of a family, task or repository id; raises CommandError."""
    for family, checkpoint in CHECKPOINTS.items():
        if name == family or name in checkpoint.repo_ids or name in _tasks_of(checkpoint):
            return checkpoint
    choices = ", ".join(CHECKPOINTS)
    raise CommandError(tr("no model {name!r}: choose {choices}", name=name, choices=choices), Exit.NOT_FOUND)


def _book(context: Context) -> DamageBook:
    return DamageBook(context.folders.state / DAMAGE_FILE)


def _shelf(context: Context) -> tuple[Shelved, ...]:
    return shelf(context.settings.models, damaged=_book(context).damaged())


def _shelved(checkpoint: Checkpoint, context: Context) -> Shelved:
    return next(one for one in _shelf(context) if one.checkpoint is checkpoint)


def _list(args: argparse.Namespace, context: Context) -> int:
    found = _shelf(context)
    moving = {transfer.family: transfer for transfer in context.services.elsewhere.others()}
    if args.json:
        output.data([{**shelved_data(one), "transfer": _transfer_data(moving, one)} for one in found])
        return Exit.OK
    rows = []
    for shelved in found:
        checkpoint = shelved.checkpoint
        where = shelved.folder or f"skyreels-tui models download {checkpoint.family}"
        rows.append((checkpoint.family, tr(PRESENCE_WORDS[shelved.presence]), _of(shelved), where))
        if checkpoint.family in moving:
            rows.append((_transfer_line(moving[checkpoint.family]), "", "", ""))
        for part in shelved.parts:
            needed_by = ", ".join(part.component.tasks)
            length = size(part.num_bytes or part.component.num_bytes)
            rows.append((f"  {part.component.name}", tr(PRESENCE_WORDS[part.presence]), length, needed_by))
            rows += [(tr("  damaged: {file}", file=file), "", "", "") for file in part.corrupt]
        rows += _prepared_rows(shelved, context)
        rows.append((tr("  licence: {name}", name=checkpoint.licence), "", "", checkpoint.licence_url))
    output.table(rows, (tr("model"), tr("state"), tr("size"), tr("where / needed by")))
    return Exit.OK


def _transfer_line(transfer: Transfer) -> str:
    moved = progress_line(replace(transfer.moved, files=())) if transfer.moved is not None else tr("waits")
    if transfer.kind is TransferKind.DOWNLOAD:
        return tr("  is being fetched: {progress}", progress=moved)
    return tr("  is being checked: {progress}", progress=moved)


def _transfer_data(moving: Mapping[str, Transfer], shelved: Shelved) -> dict[str, Any] | None:
    transfer = moving.get(shelved.checkpoint.family)
    if transfer is None:
        return None
    moved = transfer.moved or Moved(0, 0)
    return {
        "kind": str(transfer.kind),
        "state": str(transfer.state),
        "done_bytes": moved.done_bytes,
        "total_bytes": moved.total_bytes,
        "left_s": None if moved.left_s is None else round(moved.left_s, 1),
    }


def _of(shelved: Shelved) -> str:
    whole = size(shelved.checkpoint.num_bytes)
    return tr("{part} of {whole}", part=size(shelved.num_bytes), whole=whole)


def shelved_data(shelved: Shelved) -> dict[str, Any]:
    """Return a checkpoint as its documented JSON object."""
    checkpoint = shelved.checkpoint
    return {
        "model": checkpoint.family,
        "status": str(shelved.presence),
        "path": str(shelved.folder) if shelved.folder else "",
        "repo_id": shelved.repo_id,
        "repo_ids": list(checkpoint.repo_ids),
        "num_bytes": shelved.num_bytes,
        "unfinished_bytes": shelved.unfinished_bytes,
        "expected_bytes": checkpoint.num_bytes,
        "licence": checkpoint.licence,
        "licence_url": checkpoint.licence_url,
        "tasks": {task: shelved.ready_for(task) for part in checkpoint.components for task in part.tasks},
        "components": [
            {
                "name": part.component.name,
                "status": str(part.presence),
                "num_bytes": part.num_bytes,
                "expected_bytes": part.component.num_bytes,
                "missing": list(part.absent),
                "corrupt": list(part.corrupt),
                "tasks": list(part.component.tasks),
            }
            for part in shelved.parts
        ],
    }


def _download(args: argparse.Namespace, context: Context) -> int:
    checkpoint = checkpoint_named(args.model)
    tasks = _wanted_tasks(checkpoint, args)
    shelved = _shelved(checkpoint, context)
    if shelved.is_own:
        family = checkpoint.family
        output.note(
            tr(
                "{family} is taken from {folder}; what is fetched is used after: "
                "skyreels-tui models use '' --model {family}",
                family=family,
                folder=shelved.folder,
            )
        )
    if not args.plan:
        removed = len(remove_damaged(checkpoint, _book(context).damaged()))
        if removed:
            output.note(trn("{count} damaged file removed", "{count} damaged files removed", removed))
    plan = plan_download(checkpoint, tasks, damaged=_book(context).damaged())
    for attempt in plan.attempts:
        output.note(tr("{attempt}; trying {repo}", attempt=attempt, repo=plan.repo_id))
    if args.plan:
        _show_plan(plan, as_json=args.json)
        return Exit.OK
    check_room(plan)
    files = trn("{count} file", "{count} files", len(plan.files))
    output.note(
        tr(
            "{repo}: {files}, {size}, {missing} to fetch; {licence}: {link}",
            repo=plan.repo_id,
            files=files,
            size=size(plan.num_bytes),
            missing=size(plan.missing_bytes),
            licence=checkpoint.licence,
            link=checkpoint.licence_url,
        )
    )
    _fetch(Transfer(TransferKind.DOWNLOAD, checkpoint.family, tuple(tasks), plan), context)
    if args.json:
        output.data({"model": checkpoint.family, "repo_id": plan.repo_id, "path": str(plan.folder)})
    else:
        output.path(str(plan.folder))
    return Exit.OK


def _fetch(transfer: Transfer, context: Context) -> None:
    """Carry out a download that windows can see, with lines of progress; raises CommandError unless it is done."""
    context.folders.create()
    context.services.tell_transfers = _Tell()
    transfers = context.services.transfers
    with Stop() as stop:
        transfers.add(transfer)
        while not transfers.wait_ended(TELL_S):
            if stop.over:
                transfers.pause(transfer.family)
    transfers.close()
    [ended] = transfers.all
    if ended.state is TransferState.PAUSED:
        raise CommandError(tr("paused; run the same command to go on"), Exit.CANCELLED)
    if ended.state is not TransferState.DONE:
        raise CommandError(ended.said, Exit.FAILED)


class _Tell:
    """Says once a second how far a download is."""

    def __init__(self) -> None:
        self._last_s = float("-inf")

    def __call__(self, transfers: tuple[Transfer, ...]) -> None:
        moved = transfers[0].moved if transfers and transfers[0].state is TransferState.RUNNING else None
        now = time.monotonic()
        if moved is not None and now - self._last_s >= TELL_EVERY_S and moved.done_bytes < moved.total_bytes:
            self._last_s = now
            output.note(progress_line(moved))


def progress_line(progress: Moved) -> str:
    """Return '1.2 GiB of 48.3 GiB  81.3 MiB/s  left 10:02  model-00001.safetensors 12 %'."""
    parts = [tr("{part} of {whole}", part=size(progress.done_bytes), whole=size(progress.total_bytes))]
    if progress.trouble:
        return "  ".join([*parts, tr("tries again: {trouble}", trouble=progress.trouble)])
    if progress.checking:
        parts.append(tr("checking"))
    if progress.rate:
        parts.append(f"{size(int(progress.rate))}/s")
    if progress.left_s is not None:
        parts.append(tr("left {time}", time=duration(progress.left_s)))
    parts += [f"{path} {100 * have // max(whole, 1)} %" for path, have, whole in progress.files]
    return "  ".join(parts)


def _show_plan(plan: DownloadPlan, *, as_json: bool) -> None:
    if as_json:
        files = [
            {"path": entry.file.path, "num_bytes": entry.file.num_bytes, "missing_bytes": entry.missing_bytes}
            for entry in plan.files
        ]
        output.data(
            {
                "repo_id": plan.repo_id,
                "revision": plan.revision,
                "path": str(plan.folder),
                "num_bytes": plan.num_bytes,
                "missing_bytes": plan.missing_bytes,
                "files": files,
            }
        )
        return
    rows = [(entry.file.path, size(entry.file.num_bytes), size(entry.missing_bytes)) for entry in plan.files]
    output.table(rows, (tr("file"), tr("size"), tr("to fetch")))
    output.line(tr("{size} to fetch into {folder}", size=size(plan.missing_bytes), folder=plan.folder))


def _verify(args: argparse.Namespace, context: Context) -> int:
    checkpoints = [checkpoint_named(args.model)] if args.model else list(CHECKPOINTS.values())
    found = {shelved.checkpoint.family: shelved for shelved in _shelf(context)}
    book = _book(context)
    findings: list[dict[str, str]] = []
    code = Exit.OK
    for checkpoint in checkpoints:
        tasks = _wanted_tasks(checkpoint, args) if args.model else []
        folder = found[checkpoint.family].folder
        if folder is None:
            output.note(tr("{model}: not on this machine", model=checkpoint.family))
            code = max(code, Exit.NOT_FOUND) if args.model else code
            continue
        for check in verify(folder, needed_components(checkpoint, tasks), checksums=not args.quick):
            findings.append({"model": checkpoint.family, "path": check.path, "status": str(check.finding)})
            findings[-1]["detail"] = check.detail
            # Headers alone prove damage, but not that a file is whole.
            if check.finding is Finding.CORRUPT or (check.finding is Finding.OK and not args.quick):
                book.note(folder / check.path, check.detail)
            if check.finding is not Finding.OK:
                code = Exit.FAILED
            if not args.json:
                output.line(f"{checkpoint.family}  {check.finding}  {check.path}  {check.detail}".rstrip())
    if args.json:
        output.data(findings)
    if code is Exit.FAILED:
        output.note(tr("mend it: skyreels-tui models download MODEL fetches what is damaged or missing again"))
    return code


def _path(args: argparse.Namespace, context: Context) -> int:
    checkpoint = checkpoint_named(args.model)
    shelved = _shelved(checkpoint, context)
    if shelved.folder is None:
        raise CommandError(tr("{model} is not on this machine", model=checkpoint.family), Exit.NOT_FOUND)
    if args.json:
        output.data({"model": checkpoint.family, "path": str(shelved.folder), "status": str(shelved.presence)})
    else:
        output.path(str(shelved.folder))
    return Exit.OK


def _purge(args: argparse.Namespace, context: Context) -> int:
    checkpoint = checkpoint_named(args.model)
    folders = removable(checkpoint)
    if not folders:
        words = tr("nothing of {model} is in {cache}", model=checkpoint.family, cache=hub_cache())
        raise CommandError(words, Exit.NOT_FOUND)
    for folder, held_bytes in folders:
        output.note(f"{size(held_bytes)}  {folder}")
    if not args.yes and not output.confirm(tr("Remove this for good?")):
        raise CommandError(tr("nothing was removed; --yes removes without a question"), Exit.CANCELLED)
    ready = _prepared_of(_shelved(checkpoint, context), context)
    freed = remove_checkpoint(checkpoint) + remove_prepared(ready)
    output.note(tr("{size} freed", size=size(freed)))
    if args.json:
        output.data({"model": checkpoint.family, "freed_bytes": freed})
    return Exit.OK


def _prepared_rows(shelved: Shelved, context: Context) -> list[tuple[str, str, str, str]]:
    ready = _prepared_of(shelved, context)
    return [(tr("  prepared weights"), "", size(sum(file.num_bytes for file in ready)), "")] if ready else []


def _prepared_of(shelved: Shelved, context: Context) -> list[Prepared]:
    return prepared_from(context.folders.cache, shelved.folder)


def _prepare(args: argparse.Namespace, context: Context) -> int:
    """Prepare the weights that gain by it, or remove what was prepared; what nothing fits any more goes."""
    chosen = [checkpoint_named(args.model)] if args.model else list(CHECKPOINTS.values())
    shelved = [one for one in _shelf(context) if one.checkpoint in chosen]
    cache = context.folders.cache
    if args.remove:
        gone = [file for one in shelved for file in _prepared_of(one, context)] if args.model else prepared_files(cache)
        freed = remove_prepared(gone)
        output.note(tr("{size} freed", size=size(freed)))
        if args.json:
            output.data({"freed_bytes": freed})
        return Exit.OK
    remove_prepared(file for file in prepared_files(cache) if not file.is_current)
    made: list[dict[str, Any]] = []
    for one in shelved:
        # A transformer keeps its float32 tensors: it computes with them.
        folders = {folder: False for folder in (one.transformers if args.transformer else ())}
        if one.text_encoder is not None:
            folders[one.text_encoder] = True
        for folder, rounds in folders.items():
            if not gains(folder, rounds=rounds):
                continue
            with Stop() as stop:
                path = prepare_weights(cache, folder, _TellPrepared(stop), rounds=rounds)
            family, saved = one.checkpoint.family, sum(map(start_bytes, weight_files(folder))) - start_bytes(path)
            output.note(tr("{model}: a cold start reads {size} less", model=family, size=size(saved)))
            made.append({"model": family, "path": str(path), "saves_bytes": saved})
            if not args.json:
                output.path(str(path))
    if args.json:
        output.data(made)
    elif not made:
        output.note(tr("nothing to prepare: a start would read no text encoder here faster"))
    return Exit.OK


class _TellPrepared:
    """Says once a second how far it is; Ctrl+C stops it and leaves nothing."""

    def __init__(self, stop: Stop) -> None:
        self._stop, self._last_s = stop, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if self._stop.over:
            raise CommandError(tr("stopped; nothing was written"), Exit.CANCELLED)
        if (now := time.monotonic()) - self._last_s >= TELL_EVERY_S:
            self._last_s = now
            output.note(tr("{part} of {whole}", part=size(done), whole=size(total)))


def _use(args: argparse.Namespace, context: Context) -> int:
    if not args.path:
        if args.model is None:
            raise CommandError(tr("say which: skyreels-tui models use '' --model FAMILY"))
        family, folder = args.model, ""
    else:
        path = as_folder(args.path).absolute()
        if not is_folder(path):
            raise CommandError(tr("{path} is no folder", path=path), Exit.NOT_FOUND)
        family, folder = _recognise(path, args.model), str(path)
    kept = {name: value for name, value in context.settings.models.items() if name != family}
    models = {**kept, family: folder} if folder else kept
    try:
        context.services.settings.change(replace(context.settings, models=models))
    except SettingsError as error:
        raise CommandError(str(error)) from None
    output.note(f"{family}: {folder}" if folder else tr("{family}: back to the shared cache", family=family))
    return Exit.OK


def _recognise(path: Path, family: str | None) -> str:
    """Tell which checkpoint lies in a folder, and refuse one that no task can use."""
    usable = families_in(path, family or "")
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise CommandError(tr("{path} fits {models}: say which with --model", path=path, models=", ".join(usable)))
    if family:
        raise CommandError(tr("{path} holds no whole {family} that a task can use", path=path, family=family))
    raise CommandError(tr("{path} holds no whole model that a task can use", path=path))


def _wanted_tasks(checkpoint: Checkpoint, args: argparse.Namespace) -> list[str]:
    """The tasks that were named, as MODEL or by --task; [] means all."""
    known = _tasks_of(checkpoint)
    foreign = [task for task in args.task if task not in known]
    if foreign:
        raise CommandError(
            tr(
                "{model} is not for {tasks}: choose {choices}",
                model=checkpoint.family,
                tasks=", ".join(foreign),
                choices=", ".join(sorted(known)),
            )
        )
    return [*args.task, *({args.model} & known)]


def _tasks_of(checkpoint: Checkpoint) -> set[str]:
    return set(checkpoint.tasks)

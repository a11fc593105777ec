"""`results`: finished videos, from their files and the recipes beside or inside them."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.results import gallery
from skyreels_tui.words.sizes import size

SHOWN = 50
"""Rows of the table unless --all."""


@dataclass(frozen=True, slots=True)
class Result:
    """One finished video."""

    output: str
    task_type: str
    label: str
    num_bytes: int
    finished_at: str
    """UTC ISO time of the file."""
    request: dict[str, Any]
    """What made it; {} when neither a recipe beside the file nor the file itself says."""


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `results`."""
    parser.add_argument("--task", help=tr("only results of this task"))
    parser.add_argument("--all", action="store_true", help=tr("more than the newest {count}", count=SHOWN))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """List the videos, newest first."""
    folders = gallery.folders_of(context.result_dir, _named_by_jobs(context))
    if args.json:
        # Only a program asks for requests: a table need not open every file that has no recipe beside it.
        videos = [gallery.with_recipe_inside(video) for video in gallery.videos(*folders)]
        output.data([asdict(_result(video)) for video in videos if args.task in (None, video.task)])
        return Exit.OK
    found = [_result(video) for video in gallery.videos(*folders) if args.task in (None, video.task)]
    if not found:
        output.note(tr("no finished video in {result_dir}", result_dir=", ".join(map(str, folders))))
        return Exit.OK
    shown = found if args.all else found[:SHOWN]
    output.table(
        [(_local(r.finished_at), size(r.num_bytes), r.label, Path(r.output)) for r in shown],
        (tr("finished"), tr("size"), tr("label"), tr("path")),
    )
    if len(shown) < len(found):
        output.note(tr("{count} more: --all", count=len(found) - len(shown)))
    return Exit.OK


def _local(moment: str) -> str:
    """`2026-05-01 22:15` on this machine's clock, of a moment in ISO 8601."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def _named_by_jobs(context: Context) -> set[str]:
    """The folders of the queue's jobs; none, and a note, for a queue that cannot be read: files are listed without."""
    try:
        with context.queue() as service:
            return {job.result_dir for job in service.jobs()}
    except QueueError as error:
        output.note(tr("only {result_dir} is listed: {why}", result_dir=context.result_dir, why=error))
        return set()


def _result(video: gallery.Video) -> Result:
    return Result(
        output=str(video.path),
        task_type=video.task,
        label=video.label,
        num_bytes=video.num_bytes,
        finished_at=datetime.fromtimestamp(video.modified_s, UTC).isoformat(timespec="seconds"),
        request=dict(video.request),
    )

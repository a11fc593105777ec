"""`results`: finished videos, from their files and the recipes beside them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.language import tr
from skyreels_tui.commands import output
from skyreels_tui.commands.context import Context
from skyreels_tui.commands.describe import bytes_words
from skyreels_tui.commands.exits import Exit
from skyreels_tui.commands.parser import Parser

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
    """What made it; {} when no recipe lies beside the file."""


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `results`."""
    parser.add_argument("--task", help=tr("only results of this task"))
    parser.add_argument("--all", action="store_true", help=tr("more than the newest {count}", count=SHOWN))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """List the videos, newest first."""
    found = [result for result in find_results(context.result_dir) if args.task in (None, result.task_type)]
    if args.json:
        output.data([asdict(result) for result in found])
        return Exit.OK
    if not found:
        output.note(tr("no finished video in {result_dir}", result_dir=context.result_dir))
        return Exit.OK
    shown = found if args.all else found[:SHOWN]
    output.table(
        [(r.finished_at[:16].replace("T", " "), bytes_words(r.num_bytes), r.label, r.output) for r in shown],
        (tr("finished (UTC)"), tr("size"), tr("label"), tr("path")),
    )
    if len(shown) < len(found):
        output.note(tr("{count} more: --all", count=len(found) - len(shown)))
    return Exit.OK


def find_results(result_dir: Path) -> list[Result]:
    """Read every mp4 below `result_dir` and its sidecar, newest first; unfinished files are left out."""
    videos = [path for path in result_dir.glob("*/*.mp4") if ".part" not in path.name and path.is_file()]
    found = [_read(path) for path in videos]
    return sorted(found, key=lambda result: result.finished_at, reverse=True)


def _read(path: Path) -> Result:
    facts = path.stat()
    try:
        sidecar = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        sidecar = {}
    if not isinstance(sidecar, dict):
        sidecar = {}
    request = sidecar.get("request")
    return Result(
        output=str(path),
        task_type=path.parent.name,
        label=str(sidecar.get("label", path.stem)),
        num_bytes=facts.st_size,
        finished_at=datetime.fromtimestamp(facts.st_mtime, UTC).isoformat(timespec="seconds"),
        request=request if isinstance(request, dict) else {},
    )

"""`doctor`: what is wrong with this machine, and the command that mends it."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipelines.front import language
from pipelines.front.durable import write_new, write_whole
from pipelines.front.language import reason_of, tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.doctor.bundle import make_bundle
from skyreels_tui.doctor.checks import Check, CheckState, run_checks
from skyreels_tui.doctor.facts import PARTS, MachineFacts, facts_json, from_json
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import Job


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `doctor`."""
    parser.add_argument(
        "--bundle", nargs="?", const="", metavar="FILE", help=tr("write a support file without private text")
    )
    parser.add_argument("--record", metavar="FILE", help=tr("write the facts, for --facts"))
    parser.add_argument("--facts", metavar="FILE", help=tr("judge facts that were recorded on another machine"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Print the page; exit code 1 when something is bad."""
    if args.json or args.record or args.bundle is not None:
        # Programs, and people who help others, read English.
        language.choose(language.ENGLISH)
    facts = _facts(args, context)
    checks = run_checks(facts)
    if args.record:
        _write(Path(args.record), facts_json(facts) + "\n")
    if args.bundle is not None:
        path = Path(args.bundle or f"skyreels-tui-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.json")
        settings = dataclasses.asdict(context.settings)
        text = make_bundle(facts, checks, _jobs(context), settings, str(Path.home()), getpass.getuser())
        # A name of our own choice is a free one.
        path = _write(path, text, new=not args.bundle)
        output.path(str(path.absolute()))
    elif args.json:
        output.data({"facts": dataclasses.asdict(facts), "checks": [dataclasses.asdict(check) for check in checks]})
    else:
        for text in page(checks):
            output.line(text)
    return Exit.FAILED if any(check.state is CheckState.BAD for check in checks) else Exit.OK


def page(checks: list[Check]) -> list[str]:
    """Return the doctor's page: a line a check, and what mends it below."""
    lines = []
    width = max((len(check.title) for check in checks), default=0)
    state_width = max(len(_state(state)) for state in CheckState)
    for check in checks:
        lines.append(f"{_state(check.state):<{state_width}}  {check.title:<{width}}  {check.found}")
        indent = " " * (state_width + width + 4)
        if check.why:
            lines.append(f"{indent}{check.why}")
        if check.fix:
            lines.append(f"{indent}$ {check.fix}")
    counts = {state: sum(check.state is state for check in checks) for state in (CheckState.BAD, CheckState.WARN)}
    warnings = trn("{count} warning", "{count} warnings", counts[CheckState.WARN])
    verdict = tr(
        "{count} bad, {warnings}: {verdict}", count=counts[CheckState.BAD], warnings=warnings, verdict=_verdict(checks)
    )
    return [*lines, "", verdict]


def _state(state: CheckState) -> str:
    """What needs a hand is seen at a glance, without colour."""
    return tr(state).upper() if state in (CheckState.WARN, CheckState.BAD) else tr(state)


def _verdict(checks: list[Check]) -> str:
    """Return what the page means for a person who wants to make a video."""
    if any(check.state is CheckState.BAD for check in checks):
        return tr("begin with the first BAD line: what stands after $ mends it")
    if not any(check.name == "gpu" and check.state is CheckState.OK for check in checks):
        return tr("the demo runs here, a real video needs an NVIDIA GPU")
    if not any(check.name.startswith("model ") and check.state is CheckState.OK for check in checks):
        return tr("the demo runs here, for a real video download a model")
    return tr("ready for real videos")


def _facts(args: argparse.Namespace, context: Context) -> MachineFacts:
    if args.facts:
        try:
            return from_json(Path(args.facts).read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandError(f"{args.facts}: {reason_of(error)}", Exit.NOT_FOUND) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise CommandError(tr("{file} holds no facts that --record wrote", file=args.facts)) from None
    # Looking at the machine takes seconds and many modules; recorded facts need neither.
    from skyreels_tui.doctor.gather import gather

    output.note(tr("looking at this machine ..."))
    from skyreels_tui.ui.drawing.pictures import choose_drawing

    drawing = choose_drawing("auto", os.environ, is_tty=output.is_terminal(sys.stdout))
    told: set[str] = set()

    def tell(so_far: MachineFacts, known: Sequence[str]) -> None:
        """Say each check as it ends, for who waits; the page, in its order, comes at the end."""
        for check in run_checks(so_far, known):
            if check.name not in told:
                told.add(check.name)
                output.note(f"{_state(check.state)} {check.title}")

    facts = gather(context.folders, context.settings, context.result_dir, pictures=drawing, tell=tell)
    tell(facts, PARTS)
    return facts


def _jobs(context: Context) -> list[Job]:
    try:
        with context.queue() as queue:
            return queue.jobs()
    except QueueError as error:
        # A queue that cannot be opened is what the file may be wanted for.
        output.note(str(error))
        return []


def _write(path: Path, text: str, *, new: bool = False) -> Path:
    try:
        if new:
            return write_new(path, text.encode(), private=False)
        write_whole(path, text.encode(), durable=False, private=False)
    except OSError as error:
        raise CommandError(f"{path}: {reason_of(error)}", Exit.FAILED) from None
    return path

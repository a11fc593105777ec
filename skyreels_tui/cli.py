"""The command line: finds the command, hands it its arguments, turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pipelines.front import language
from pipelines.front.errors import CheckpointMissing, InvalidRequest, PipelineError
from pipelines.front.language import tr, trn
from pipelines.front.places import as_folder, is_folder, nearest_existing
from skyreels_tui.app.services import Services
from skyreels_tui.commands import COMMANDS, Command, command_named
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import MEANING, CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser, declare
from skyreels_tui.files.folders import find_folders
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.served import is_served

if TYPE_CHECKING:
    from skyreels_tui.app.services import ExecutorFactory


ASKED = "_ARGCOMPLETE"
"""Set in the environment by a shell that asks what may follow the line that it has."""
MOST_PROBLEMS = 19
"""Lines about what was refused, the first cause first; one more counts the rest."""


def main(argv: Sequence[str] | None = None, *, executor: ExecutorFactory | None = None) -> int:
    """Run one command and return its exit code; `executor` replaces what runs jobs, for tests."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not sys.warnoptions:
        # Warnings of libraries speak to their programmers; stderr holds lines for the person who typed.
        warnings.simplefilter("ignore")
    output.begin(json_lines="--progress=json" in words or ("--progress", "json") in pairwise(words))
    language.choose(load(find_folders().settings_file).settings.language)
    if argv is None and ASKED in os.environ:
        from skyreels_tui.commands.system.completion import answer

        answer(_app_parser(), lambda: make_context(None))
    return output.end(_guarded(words, executor))


def _guarded(words: list[str], executor: ExecutorFactory | None) -> int:
    try:
        return int(_dispatch(words, executor))
    except CommandError as error:
        problems, code = list(error.problems), error.code
    except InvalidRequest as error:
        problems = [f"{problem.field}: {problem.message}" for problem in error.problems]
        code = Exit.REFUSED
    except PipelineError as error:
        problems, code = [str(error)], _code_of(error)
    except UnicodeEncodeError as error:
        # An argument that is no file name reached the queue or a file, which hold text; nothing was written.
        problems, code = [tr("not text (UTF-8): {text}", text=error.object)], Exit.REFUSED
    except KeyboardInterrupt:
        problems, code = [tr("interrupted")], Exit.CANCELLED
    for problem in problems[:MOST_PROBLEMS]:
        output.note(f"skyreels-tui: {problem}", "problem")
    if len(problems) > MOST_PROBLEMS:
        count = len(problems) - MOST_PROBLEMS
        output.note("skyreels-tui: " + trn("and {count} problem more", "and {count} problems more", count), "problem")
    return code


def _dispatch(words: list[str], executor: ExecutorFactory | None) -> int:
    first = words[0] if words else ""
    if not first or first.startswith("-"):
        return _open_app(words, executor)
    command = command_named(first)
    if command is None:
        # Only a slip needs it.
        import difflib

        near = difflib.get_close_matches(first, [known.name for known in COMMANDS], n=1)
        raise CommandError(
            tr("no command {name!r}: did you mean {near}?", name=first, near=near[0])
            if near
            else tr("no command {name!r}: see skyreels-tui --help", name=first)
        )
    return _run_command(command, words[1:], executor)


def _run_command(command: Command, words: list[str], executor: ExecutorFactory | None) -> int:
    module = importlib.import_module(command.module)
    parser = Parser(prog=f"skyreels-tui {command.name}", description=tr(command.summary))
    declare(parser, command)
    args = _parse(parser, words)
    if args is None:
        return Exit.OK
    if getattr(args, "action", None) in command.reads:
        output.text_is_the_result()
    return int(module.run(command.name, args, make_context(args.result_dir, executor)))


def _parse(parser: Parser, words: list[str]) -> argparse.Namespace | None:
    """Parse, or return None after --help: the one way in which argparse leaves by itself."""
    try:
        return parser.parse_args(words)
    except SystemExit:
        output.text_is_the_result()
        return None


def make_context(result_dir: str | None, executor: ExecutorFactory | None = None) -> Context:
    """Read folders and settings; a setting that cannot be used is named on stderr."""
    folders = find_folders()
    loaded = load(folders.settings_file)
    for warning in loaded.warnings:
        output.note(f"skyreels-tui: {warning}")
    chosen = result_dir or loaded.settings.result_dir
    results = as_folder(chosen).absolute() if chosen else folders.results
    if any("\ud800" <= char <= "\udfff" for char in str(results)):
        raise CommandError(tr("result-dir: the folder's name is not UTF-8, so the queue cannot store it"))

    settings, served = loaded.settings, is_served(os.environ)
    above = nearest_existing(results)
    if result_dir and not is_folder(above):
        raise CommandError(tr("result-dir: {path} is a file, not a folder", path=above))

    return Context(Services(folders, settings, results, executor, warnings=loaded.warnings, served=served))


def _open_app(words: list[str], executor: ExecutorFactory | None) -> int:
    parser = _app_parser()
    args = _parse(parser, words)
    if args is None:
        return Exit.OK
    if args.version:
        # Asks git in a checkout, so it is imported for this line alone.
        from skyreels_tui.files.installed import version_line

        output.text_is_the_result()
        output.line(version_line())
        return Exit.OK
    from skyreels_tui.commands.system.app import open_app

    return open_app(args, make_context(args.result_dir, executor))


def _app_parser() -> Parser:
    parser = Parser(
        prog="skyreels-tui",
        usage=tr("skyreels-tui [options]  |  skyreels-tui COMMAND [options]"),
        description=tr(
            "Make video with SkyReels V3. Without a command the full-screen app opens; the commands\n"
            "work on the same queue."
        ),
        epilog=_overview(),
    )
    parser.add_argument("--version", action="store_true", help=tr("show the version"))
    parser.add_argument("--result-dir", "--result_dir", metavar="DIR", help=tr("where finished videos go"))
    parser.add_argument("--ascii", action="store_true", help=tr("no symbols outside ASCII"))
    parser.add_argument("--theme", metavar="NAME", help=tr("colours for this time"))
    parser.add_argument("--resume", action="store_true", help=tr("interrupted jobs go on at once"))
    parser.add_argument("--only", choices=["queue"], help=tr("the queue alone, for a pane beside live panels"))
    parser.add_argument("--plain", action="store_true", help=tr("progress as lines, for screen readers and logs"))
    return parser


def _overview() -> str:
    commands = "\n".join(f"  {command.name:<12}{tr(command.summary)}" for command in COMMANDS)
    codes = "\n".join(f"  {code.value}  {tr(meaning)}" for code, meaning in MEANING.items())
    return tr("commands (each has --help):\n{commands}\n\nexit codes:\n{codes}", commands=commands, codes=codes)


def _code_of(error: PipelineError) -> Exit:
    # Known only once the queue has been opened, so that --help does not load it.
    from skyreels_tui.queue.errors import DatabaseUnusable, NoSuchFilm, NoSuchJob, QueueError, QueueTrouble, Trouble

    if isinstance(error, NoSuchJob | NoSuchFilm | CheckpointMissing):
        return Exit.NOT_FOUND
    if isinstance(error, QueueTrouble):
        return Exit.BUSY if error.trouble is Trouble.BUSY else Exit.FAILED
    if isinstance(error, QueueError) and not isinstance(error, DatabaseUnusable):
        return Exit.BUSY
    return Exit.FAILED

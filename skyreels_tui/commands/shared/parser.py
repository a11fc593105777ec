"""Argument parsing whose refusals are ours: one line on stderr, exit code 2, nothing on stdout."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pipelines.front.documents import plain_number
from pipelines.front.language import mark, mark_plural, shared_with_libraries, tr
from skyreels_tui.commands import Command
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.exits import CommandError, Exit

ARGPARSE_WORDS = (
    mark("usage: "), mark("positional arguments"), mark("options"), mark("show this help message and exit"),
    mark("argument %(argument_name)s: %(message)s"), mark("the following arguments are required: %s"),
    mark("unrecognized arguments: %s"), mark("expected one argument"), mark("expected at most one argument"),
    mark("expected at least one argument"), mark("invalid choice: %(value)r (choose from %(choices)s)"),
    mark("invalid choice: %(value)r, maybe you meant %(suggestion)r? (choose from %(choices)s)"),
    mark("invalid %(type)s value: %(value)r"), mark("ignored explicit argument %r"),
    *mark_plural("expected %s argument", "expected %s arguments"),
)  # fmt: skip
"""What argparse says in our commands, over the versions of Python that we support: it asks gettext for them."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser without abbreviations that raises CommandError instead of leaving the process."""

    def __init__(self, **kwargs: Any) -> None:
        self.declared: list[argparse.Action] = []
        """Every argument and option but --help, in order."""
        self.actions: dict[str, str] = {}
        """What each word does that may stand in the first place."""
        with shared_with_libraries():
            super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
        self.declared.clear()

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """Take an argument or option."""
        action = super().add_argument(*args, **kwargs)
        self.declared.append(action)
        return action

    def add_actions(self, metavar: str) -> Callable[[str, str], Parser]:
        """Take one of several words in the first place; what is returned adds one with its help and its arguments."""
        choices = self.add_subparsers(dest="action", metavar=metavar, help=None)

        def add(name: str, text: str) -> Parser:
            self.actions[name] = text
            return choices.add_parser(name, help=text, description=text)

        return add

    # The signature is argparse's own.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, with argparse's own words in the chosen language."""
        with shared_with_libraries():
            return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise CommandError(tr("{message} (see {prog} --help)", message=message, prog=self.prog), Exit.REFUSED)

    def print_help(self, file: Any = None) -> None:
        """Write the help page: argparse leaves unsaid that stdout did not take it."""
        output.raw(self.format_help())

    def add_job_ids(self, *, many: bool = True) -> None:
        """Take one job id as `job`, or one or more as `jobs`."""
        if many:
            self.add_argument("jobs", metavar="ID", type=job_id, nargs="+", help=tr("ids of jobs, as `list` shows"))
        else:
            self.add_argument("job", metavar="ID", type=job_id, help=tr("id of a job, as `list` shows"))

    def add_json(self) -> None:
        """Take --json."""
        self.add_argument("--json", action="store_true", help=tr("write JSON to stdout (schema: doc/cli.md)"))


def declare(parser: Parser, command: Command) -> None:
    """Give a parser everything that a command takes."""
    importlib.import_module(command.module).configure(parser, command.name)
    parser.add_argument("--result-dir", "--result_dir", metavar="DIR", help=tr("where finished videos go"))


def job_id(text: str) -> int:
    """Read a job id; raises ArgumentTypeError in words."""
    number = plain_number(text.removeprefix("#"))
    if not number:
        raise argparse.ArgumentTypeError(tr("{text!r} is no job id: a whole number above 0", text=text))
    return number


def seconds(text: str) -> float:
    """Read a time limit in seconds above 0; raises ArgumentTypeError in words."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(tr("{text!r} is no number of seconds above 0", text=text))
    return number


def spellings(name: str) -> Sequence[str]:
    """Return the option strings of a field: with underscores as the published script has, and with dashes."""
    return list(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))

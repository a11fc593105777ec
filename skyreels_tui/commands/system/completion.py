"""`completion`: what Tab offers in bash, zsh and fish. The shell asks the program itself, through argcomplete."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping

import argcomplete
from argcomplete.completers import BaseCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.errors import PipelineError
from pipelines.front.fields import Choice, Flag
from pipelines.front.language import tr
from pipelines.front.places import is_there
from pipelines.front.request import field_specs
from pipelines.tasks import TASKS
from skyreels_tui.commands import COMMANDS
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser, declare
from skyreels_tui.settings import settings as store
from skyreels_tui.words.safe_text import safe

PROGRAM = "skyreels-tui"

Offers = Mapping[str, str]
"""What may be typed -> what it means."""


def configure(parser: Parser, _name: str) -> None:
    """Declare the shells."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.epilog = (
        "bash: skyreels-tui completion bash > ~/.local/share/bash-completion/completions/skyreels-tui\n"
        + tr("zsh:  skyreels-tui completion zsh > a folder of $fpath, as _skyreels-tui")
        + "\nfish: skyreels-tui completion fish > ~/.config/fish/completions/skyreels-tui.fish"
    )


def run(_name: str, args: argparse.Namespace, _context: Context) -> int:
    """Print the script."""
    output.raw(shellcode([PROGRAM], shell=args.shell))
    return Exit.OK


def answer(parser: Parser, context: Callable[[], Context]) -> None:
    """Tell the shell what may follow the line that it has, and end the process.

    `parser` is that of the program without a command; `context` is made when the queue or the settings are needed.
    """
    line = os.environ.get("COMP_LINE", "")
    actions = parser.add_subparsers()
    for command in COMMANDS:
        added = actions.add_parser(command.name, help=tr(command.summary))
        # Only the command of this line is loaded: Tab must answer at once.
        if command.name in line.split()[1:2]:
            declare(added, command)
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=_Words(context))


def option_strings(command_name: str) -> list[tuple[str, str]]:
    """Return (option, help) of every visible long option of a command."""
    command = next(command for command in COMMANDS if command.name == command_name)
    parser = Parser(prog=f"{PROGRAM} {command.name}")
    declare(parser, command)
    return [
        (option, "" if action.help is None else action.help.replace("%%", "%"))
        for action in parser.declared
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
        if option.startswith("--")
    ]


class _Words(BaseCompleter):
    """Completes the values of options and arguments by what their help calls them; files where nothing is known."""

    def __init__(self, context: Callable[[], Context]) -> None:
        self._context = context

    def __call__(
        self, *, prefix: str, action: argparse.Action, parser: argparse.ArgumentParser, parsed_args: argparse.Namespace
    ) -> Iterable[str]:
        """Return what may be typed in place of `prefix`."""
        if action.dest == "batch":
            return self._ask(_all_batches)
        match action.metavar:
            case "ID":
                return self._ask(_all_jobs)
            case "MODEL":
                names = [name for one in CHECKPOINTS.values() for name in (one.family, *one.tasks)]
                return dict.fromkeys(names, "")
            case "TASK":
                return {task.name: tr(task.title) for task in TASKS}
            case "KEY":
                return _settings()
            case "VALUE":
                return _values(getattr(parsed_args, "key", ""))
            case "WORD":
                return _options(action.dest)
        return FilesCompleter()(prefix=prefix, action=action, parser=parser, parsed_args=parsed_args)

    def _ask(self, read: Callable[[Context], Offers]) -> Offers:
        try:
            context = self._context()
            # Tab makes no queue where there is none.
            return read(context) if is_there(context.folders.database) else {}
        except (PipelineError, OSError):
            return {}


def _all_jobs(context: Context) -> Offers:
    with context.queue() as queue:
        return {str(job.id): safe(f"{job.label} ({tr(job.state)})", 60) for job in queue.jobs()}


def _all_batches(context: Context) -> Offers:
    with context.queue() as queue:
        return dict.fromkeys(queue.batches(), "")


def _settings() -> Offers:
    specs = dict(store.setting_specs())
    tables = {f"models.{family}": "" for family in CHECKPOINTS}
    return {name: tr(spec.help or spec.label) for name, spec in specs.items()} | tables


def _values(key: str) -> Offers:
    """The choices of a setting."""
    spec = dict(store.setting_specs()).get(key)
    if isinstance(spec, Choice):
        return {option: tr(shown) for option, shown in spec.options}
    return {"true": "", "false": ""} if isinstance(spec, Flag) else {}


def _options(dest: str) -> Offers:
    """The words that a task's field offers; `dest` ends with its name."""
    for task in TASKS:
        for name, spec in field_specs(task.request_type):
            if isinstance(spec, Choice) and dest.endswith(name):
                return {option: tr(shown) for option, shown in spec.options if option}
    return {}

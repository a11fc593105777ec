"""The generated parts of doc/cli.md; `python -m skyreels_tui.commands.system.manual doc/cli.md`
renews them in place.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from skyreels_tui.commands import COMMANDS, Command
from skyreels_tui.commands.shared.describe import FILM_KEYS, JOB_KEYS, SCENE_KEYS
from skyreels_tui.commands.shared.exits import MEANING
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.queue.condition import STATUS_KEYS

BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"


def commands_section() -> str:
    """Every command with its options, as a list."""
    return "\n".join(_command(command) for command in COMMANDS)


def exits_section() -> str:
    """The exit codes, as a table."""
    rows = "\n".join(f"| {code.value} | {meaning} |" for code, meaning in MEANING.items())
    return f"| code | meaning |\n| --- | --- |\n{rows}"


def job_section() -> str:
    """The keys of a job in JSON, as a table."""
    return _keys(JOB_KEYS)


def film_section() -> str:
    """The keys of a film and of its scenes in JSON, as tables."""
    return f"{_keys(FILM_KEYS)}\n\nA scene:\n\n{_keys(SCENE_KEYS)}"


def _keys(keys: dict[str, tuple[str, str]]) -> str:
    rows = "\n".join(f"| `{key}` | {kind} | {meaning} |" for key, (kind, meaning) in keys.items())
    return f"| key | type | meaning |\n| --- | --- | --- |\n{rows}"


def status_section() -> str:
    """The keys of what `status` says in JSON, as a table."""
    return _keys(STATUS_KEYS)


SECTIONS = {
    "commands": commands_section,
    "exit codes": exits_section,
    "job": job_section,
    "status": status_section,
    "film": film_section,
}


def renewed(text: str) -> str:
    """Return a page with each generated section made anew."""
    for name, make in SECTIONS.items():
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if end:
            text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def _command(command: Command) -> str:
    parser = Parser(prog=f"skyreels-tui {command.name}")
    importlib.import_module(command.module).configure(parser, command.name)
    lines = [f"- **{command.name}**: {command.summary}"]
    if parser.actions:
        lines.append("  - " + "; ".join(f"`{name}` {text}" for name, text in parser.actions.items()))
    lines += [f"  - {text}" for action in parser.declared if (text := _action(action))]
    return "\n".join(lines)


def _action(action: argparse.Action) -> str:
    if action.help == argparse.SUPPRESS:
        return ""
    name = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.metavar or action.dest}`"
    return f"{name}: {action.help.replace('%%', '%')}" if action.help else name


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")

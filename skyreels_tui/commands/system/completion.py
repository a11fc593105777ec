"""`completion`: scripts for bash, zsh and fish, made from the commands and their parsers."""

from __future__ import annotations

import argparse
import importlib

from pipelines.front.language import tr
from skyreels_tui.commands import COMMANDS
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser

BASH = """\
_skyreels_tui() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands} --help --version"
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  if [[ "$cur" == -* || "$COMP_CWORD" -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}}
complete -o filenames -F _skyreels_tui skyreels-tui
"""

ZSH = """\
#compdef skyreels-tui
_skyreels_tui() {{
  if (( CURRENT == 2 )); then
    local -a commands=(
{commands}
    )
    _describe command commands
    return
  fi
  local -a options=()
  case $words[2] in
{cases}
  esac
  if [[ $words[CURRENT] == -* ]]; then compadd -- $options; else _files; fi
}}
# A file of $fpath is the function itself at its first call; a script that is sourced only names it.
if [[ $funcstack[1] == _skyreels[-_]tui ]]; then _skyreels_tui "$@"; else compdef _skyreels_tui skyreels-tui; fi
"""


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
    output.raw({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]())
    return Exit.OK


def option_strings(command_name: str) -> list[tuple[str, str]]:
    """Return (option, help) of every visible long option of a command."""
    command = next(command for command in COMMANDS if command.name == command_name)
    parser = Parser(prog=f"skyreels-tui {command.name}")
    importlib.import_module(command.module).configure(parser, command.name)
    return [
        (option, "" if action.help is None else action.help.replace("%%", "%"))
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        for option in action.option_strings
        if option.startswith("--")
    ]


def _bash() -> str:
    cases = "\n".join(
        f'      {command.name}) words="{" ".join(option for option, _ in option_strings(command.name))}" ;;'
        for command in COMMANDS
    )
    return BASH.format(commands=" ".join(command.name for command in COMMANDS), cases=cases)


def _zsh() -> str:
    commands = "\n".join(f"      {_quoted(f'{command.name}:{tr(command.summary)}')}" for command in COMMANDS)
    cases = "\n".join(
        f"    {command.name}) options=({' '.join(option for option, _ in option_strings(command.name))}) ;;"
        for command in COMMANDS
    )
    return ZSH.format(commands=commands, cases=cases)


def _fish() -> str:
    lines = ["# Files are offered besides the options, except for the first word."]
    lines += [
        f"complete -c skyreels-tui -n __fish_use_subcommand -f -a {command.name} -d {_quoted(tr(command.summary))}"
        for command in COMMANDS
    ]
    lines += [
        f"complete -c skyreels-tui -n '__fish_seen_subcommand_from {command.name}' -l {option[2:]} -d {_quoted(text)}"
        for command in COMMANDS
        for option, text in option_strings(command.name)
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "’") + "'"

"""`film`: films of scenes, each with its takes; which action is done by which module."""

from __future__ import annotations

import argparse

from skyreels_tui.commands.films import files, helping, making, scenes, showing
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.parser import Parser

_MODULES = (showing, scenes, making, files, helping)


def configure(parser: Parser, _name: str) -> None:
    """Declare the actions of `film`."""
    actions = [name for module in _MODULES for name in module.ACTIONS]
    add = parser.add_actions(" | ".join(actions))
    for module in _MODULES:
        module.configure(add)
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Do the action that was asked for, or list the films."""
    name = args.action or "list"
    action = next(module.ACTIONS[name] for module in _MODULES if name in module.ACTIONS)
    return int(action(args, context))

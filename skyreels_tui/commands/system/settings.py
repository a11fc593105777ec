"""`settings`: show or change the settings file."""

from __future__ import annotations

import argparse
import dataclasses

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.settings import settings as store
from skyreels_tui.settings.typed import with_text


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `settings`."""
    add = parser.add_actions("list | get | set | path")
    shown = add("list", tr("every setting and its value (the default action)"))
    shown.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
    add("get", tr("one value")).add_argument("key", metavar="KEY")
    change = add("set", tr("change one value; an empty VALUE removes a table's entry"))
    change.add_argument("key", metavar="KEY", help=tr("a setting, models.FAMILY or defaults.TASK.FIELD"))
    change.add_argument("value", metavar="VALUE")
    add("path", tr("where the file is"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Show or change settings."""
    path, current = context.folders.settings_file, context.settings
    match args.action:
        case "path":
            output.path(str(path))
        case "get":
            output.line(_words(_value(current, args.key)))
        case "set":
            try:
                changed = with_text(current, args.key, args.value)
                context.services.settings.change(changed)
            except store.SettingsError as error:
                raise CommandError(str(error)) from None
            output.note(f"{args.key} = {_words(_value(changed, args.key))}")
            if store.waiting(current, changed):
                output.note(tr("a program that runs already takes it over at its next start"))
        case _:
            _list(current, as_json=args.json)
    return Exit.OK


def _list(current: store.Settings, *, as_json: bool) -> None:
    values = dataclasses.asdict(current)
    if as_json:
        output.data(values)
        return
    specs = dict(store.setting_specs())
    rows = [(name, _words(values[name]), tr(specs[name].help or specs[name].label)) for name in specs]
    for table in store.TABLES:
        rows += [(f"{table}.{key}", _words(value), "") for key, value in values[table].items()]
    output.table(rows, (tr("setting"), tr("value"), tr("meaning")))


def _value(current: store.Settings, key: str) -> object:
    value: object = dataclasses.asdict(current)
    for part in key.split("."):
        if not isinstance(value, dict):
            raise CommandError(tr("there is no setting {key!r}", key=key), Exit.NOT_FOUND)
        if part not in value:
            if key.split(".")[0] in store.TABLES:
                return ""
            raise CommandError(tr("there is no setting {key!r}", key=key), Exit.NOT_FOUND)
        value = value[part]
    return value


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

"""Task fields as command line options, made from the field specs; turns what was typed into a request."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.front.fields import Choice, FieldSpec, Files, Flag, Number, Regions, Text
from pipelines.front.gang import ALL_GPUS
from pipelines.front.language import tr
from pipelines.front.request import Request, about_no_file, field_specs
from pipelines.tasks import TASKS, task_named
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.commands.shared.exits import CommandError
from skyreels_tui.commands.shared.parser import Parser, spellings
from skyreels_tui.requests.presets import Presets, PresetsError
from skyreels_tui.requests.typed_paths import expand, split_list
from skyreels_tui.settings.settings import Settings
from skyreels_tui.settings.typed import parse_value

DEMO_RESOLUTION = "128P"
GIVEN = "field_"
"""Prefix of the parsed names, so that a field can never clash with an option of the command."""


def add_task_options(parser: Parser, *, changing: bool = False) -> None:
    """Add --task_type, --profile and one option a field; `changing` leaves out what an edit cannot change."""
    if not changing:
        parser.add_argument(
            *spellings("task_type"),
            "--task",
            dest="task_type",
            metavar="TASK",
            help=tr("{names}; told from the input when left out", names=", ".join(task.name for task in TASKS)),
        )
        parser.add_argument(
            "--profile", choices=("full", "demo"), default="full", help=tr("demo: built-in tiny models, noise")
        )
        parser.add_argument("--preset", metavar="NAME", help=tr("start from a form saved under this name"))
    for name, owners in _all_fields().items():
        spec = owners[0][1]
        help_text = _help(owners).replace("%", "%%")
        if isinstance(spec, Flag):
            yes, no = spellings(name), [f"--no-{option[2:]}" for option in spellings(name)]
            parser.add_argument(*yes, dest=GIVEN + name, action="store_const", const=True, help=help_text)
            parser.add_argument(*no, dest=GIVEN + name, action="store_const", const=False, help=argparse.SUPPRESS)
        elif isinstance(spec, Files):
            parser.add_argument(
                *spellings(name),
                dest=GIVEN + name,
                action="append",
                nargs="+",
                metavar="PATH",
                help=help_text,
            )
        else:
            parser.add_argument(*spellings(name), dest=GIVEN + name, metavar=_metavar(spec), help=help_text)
    parser.add_argument(
        *spellings("use_usp"),
        dest=f"{GIVEN}gpus",
        action="store_const",
        const=ALL_GPUS,
        help=tr("as --gpus all: the published script's word for it"),
    )


def given_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that were typed, as typed: text, True or False, or a list of lists of paths."""
    return {
        key.removeprefix(GIVEN): value
        for key, value in vars(args).items()
        if key.startswith(GIVEN) and value is not None
    }


def asked_request(args: argparse.Namespace, settings: Settings, presets: Presets) -> tuple[TaskSpec, Request]:
    """Make the request that the options ask for, unchecked; raises CommandError for what fits no field."""
    given = given_fields(args)
    task = _task(args.task_type, given)
    values = about_no_file(task.request_type, settings.defaults.get(task.name, {}))
    if args.preset is not None:
        try:
            values |= presets.get(task.name, args.preset)
        except PresetsError as error:
            raise CommandError(f"preset: {error}") from None
    if args.profile == "demo":
        values["resolution"] = DEMO_RESOLUTION
    elif values.get("resolution") == DEMO_RESOLUTION:
        # A preset of the demo models, used with the real ones.
        del values["resolution"]
    values |= parse_fields(task, given)
    return task, task.request_type.from_dict({**values, "profile": args.profile})


def change_request(request: Request, task: TaskSpec, args: argparse.Namespace) -> Request:
    """Return `request` with the typed fields replaced, unchecked; what was about a replaced file goes with it."""
    changes = parse_fields(task, given_fields(args))
    # Another file is used whole unless this says otherwise.
    usual = task.request_type()
    for name, spec in field_specs(task.request_type):
        if spec.belongs_to in changes and changes[spec.belongs_to] != getattr(request, spec.belongs_to):
            changes.setdefault(name, getattr(usual, name))
    return dataclasses.replace(request, **changes)


def parse_fields(task: TaskSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read typed values by the task's field specs; raises CommandError for fields of other tasks."""
    specs = dict(field_specs(task.request_type))
    foreign = [name for name in given if name not in specs]
    if foreign:
        raise CommandError([tr("{name}: {task} has no such field", name=name, task=task.name) for name in foreign])
    return {name: _parse(specs[name], value) for name, value in given.items()}


def _task(name: str | None, given: Iterable[str]) -> TaskSpec:
    if name is not None:
        try:
            return task_named(name)
        except KeyError as error:
            raise CommandError(f"task_type: {error.args[0]}") from None
    inputs = {field for field in given if isinstance(_all_fields()[field][0][1], Files)}
    fitting = [task for task in TASKS if inputs <= {field for field, _ in field_specs(task.request_type)}]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(task.name for task in (fitting or TASKS))
    raise CommandError(
        tr("task_type: several tasks take this input; choose --task_type {names}", names=names)
        if inputs
        else tr("task_type: not given; choose --task_type {names}", names=names)
    )


def _all_fields() -> dict[str, list[tuple[TaskSpec, FieldSpec]]]:
    """Every field of any task -> the tasks that have it, each with its spec."""
    fields: dict[str, list[tuple[TaskSpec, FieldSpec]]] = {}
    for task in TASKS:
        for name, spec in field_specs(task.request_type):
            fields.setdefault(name, []).append((task, spec))
    return fields


def _parse(spec: FieldSpec, value: Any) -> Any:
    if isinstance(spec, Files):
        texts = [text for group in value for text in group]
        return tuple(expand(path) for text in texts for path in split_list(text))
    if isinstance(spec, Number):
        return _number(spec, value)
    return value if isinstance(spec, Flag) else parse_value(spec, value)


def _number(spec: Number, text: str) -> Any:
    value = parse_value(spec, text)
    if isinstance(value, str):
        # A fraction stays a number, so that the refusal says 'not a whole number'.
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _metavar(spec: FieldSpec) -> str:
    match spec:
        case Text():
            return "TEXT"
        case Regions():
            return "BOXES"
        case Choice():
            return "WORD"
    return "N"


def _help(owners: list[tuple[TaskSpec, FieldSpec]]) -> str:
    spec = owners[0][1]
    by_limits: dict[str, list[str]] = {}
    for task, own in owners:
        by_limits.setdefault(_limits(own), []).append(task.short)
    if len(by_limits) == 1:
        limits = next(iter(by_limits))
    else:
        limits = "; ".join(f"{', '.join(tasks)}: {text}" for text, tasks in by_limits.items())
    of = "" if len(owners) == len(TASKS) else f"[{', '.join(task.short for task, _ in owners)}]"
    return "; ".join(part for part in (tr(spec.label), limits, tr(spec.help), of) if part)


def _limits(spec: FieldSpec) -> str:
    match spec:
        case Number(minimum=low, maximum=high):
            return tr("from {low:g}", low=low) if high > 1e9 else tr("{low:g} to {high:g}", low=low, high=high)
        case Choice(options=options):
            return ", ".join(value or "''" for value, _ in options)
        case Files(minimum=low, maximum=high) if high > 1:
            return tr("{low} to {high} paths, with commas or spaces between", low=low, high=high)
    return ""

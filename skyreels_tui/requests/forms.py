"""A form without its looks: order of fields, request from typed values, checks in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.front.errors import CheckpointMissing, PipelineError, Problem
from pipelines.front.fields import Choice, FieldSpec, Files, Flag, Profile, Regions, Text, field_problem, untouched
from pipelines.front.language import tr, trn
from pipelines.front.places import matching
from pipelines.front.plan import Plan
from pipelines.front.request import Request, check_fields, field_specs
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.requests.planning import Asked, plan_of
from skyreels_tui.requests.references import check_request, model_problems, references
from skyreels_tui.requests.typed_paths import address_fields
from skyreels_tui.words.shell_words import shell_line

if TYPE_CHECKING:
    from pipelines.checkpoints.registry import Checkpoint

Values = Mapping[str, Any]


def ordered_specs(request_type: type[Request]) -> list[tuple[str, FieldSpec]]:
    """Fields as a person fills them: files, prompt, the rest; advanced ones last."""

    def place(entry: tuple[str, FieldSpec]) -> int:
        spec = entry[1]
        if spec.advanced:
            return 3
        if isinstance(spec, Files):
            return 0
        return 1 if isinstance(spec, Text) and spec.multiline else 2

    return sorted(field_specs(request_type), key=place)


def fields_about(request_type: type[Request], files: str) -> tuple[str, ...]:
    """The fields that say which part of a field's file is used: start, end and, of a voice, channel."""
    return tuple(name for name, spec in field_specs(request_type) if spec.belongs_to == files)


def initial_values(task: TaskSpec, *layers: Values) -> dict[str, Any]:
    """Defaults of the request, overlaid by each layer (settings, draft); unknown names are dropped."""
    names = {name for name, _ in field_specs(task.request_type)}
    fields = {f.name: f.default for f in dataclasses.fields(task.request_type) if f.name in names}
    for layer in layers:
        fields |= {name: value for name, value in layer.items() if name in names}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def fit_to_profile(task: TaskSpec, values: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Resolution follows the profile: the demo models start at 128P, the real ones leave it."""
    if "resolution" not in values:
        return values
    default = next(f.default for f in dataclasses.fields(task.request_type) if f.name == "resolution")
    if profile == "demo":
        return {**values, "resolution": "128P"}
    return {**values, "resolution": default} if values["resolution"] == "128P" else values


def build_request(task: TaskSpec, values: Values, profile: Profile) -> Request:
    """The request as typed, valid or not."""
    return task.request_type.from_dict({**values, "profile": profile})


@dataclass(frozen=True, slots=True)
class Reading:
    """The prompt as the text encoder reads it."""

    text: str = ""
    tokens: int | None = None
    """Exact, end token included; None where no tokenizer was asked."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks of one state of the form found."""

    request: Request
    problems: tuple[Problem, ...]
    plan: Plan | None
    """None when the inputs do not say what the job costs."""
    checkpoint: str
    """Why the job cannot run here, or ''."""
    absent: Checkpoint | None = None
    """The released checkpoint that it waits for when it is queued; None where none is missing or another is named."""
    reading: Reading = Reading()


def check_form(
    task: TaskSpec, request: Request, cache_dir: Path, own_model: str = "", *, runs_here: bool = True
) -> Checked:
    """Check every field, plan the job and look for its checkpoint; opens files, so call it on a worker thread.

    `own_model` is a checkpoint folder that the settings name for the task's family. Where the job will not run here,
    the workers that may take it look for theirs.
    """
    problems = _problems(request)
    # The prompt changes neither size nor time, so an empty one does not hide the estimate.
    plan = None
    if all(problem.field == "prompt" for problem in problems) and not references(request):
        try:
            plan = plan_of(Asked(task, request))
        except PipelineError as error:
            first = next((name for name, spec in field_specs(type(request)) if isinstance(spec, Files)), "prompt")
            problems = (*problems, Problem(first, str(error)))
    tokenizer, missing = _checkpoint(task, request, cache_dir, own_model)
    missing = missing if runs_here else ""
    absent = absent_model(task, request, cache_dir, {task.family: own_model}) if missing else None
    return Checked(request, problems, plan, missing, absent, _read_prompt(request, tokenizer))


def absent_model(task: TaskSpec, request: Request, cache_dir: Path, own_models: Mapping[str, str]) -> Checkpoint | None:
    """The released checkpoint that the job needs and this machine has not; None where it is here or not that one."""
    from pipelines.checkpoints.locate import locate
    from pipelines.checkpoints.registry import CHECKPOINTS

    if request.profile == "demo" or request.model_id or own_models.get(task.family) or not task.components:
        return None
    try:
        locate(task.family, "", request.profile, cache_dir, task.name)
    except CheckpointMissing:
        return CHECKPOINTS[task.family]
    return None


def _problems(request: Request) -> tuple[Problem, ...]:
    waiting = address_fields(request)
    if not waiting:
        return tuple(check_request(request))
    others = [problem for problem in check_fields(request) if problem.field not in waiting]
    unfetched = tr("an address is no file yet: add it in this field, which fetches it")
    return (*(Problem(name, unfetched) for name in waiting), *others)


def _checkpoint(task: TaskSpec, request: Request, cache_dir: Path, own_model: str) -> tuple[Path | None, str]:
    """The folder of the tokenizer, and why no checkpoint on this machine fits, in words.

    The demo models are made on first use; their tokenizer comes with the program.
    """
    if request.profile == "demo":
        from pipelines import demo

        return Path(demo.__path__[0]) / "tokenizer", ""
    from pipelines.checkpoints.locate import locate
    from pipelines.checkpoints.registry import CHECKPOINTS

    if own_model and (unusable := model_problems(request, own_model)):
        return None, unusable[0].message
    try:
        folder = locate(task.family, request.model_id or own_model, request.profile, cache_dir, task.name)
    except CheckpointMissing as error:
        return None, str(error)
    [patterns] = (part.patterns for part in CHECKPOINTS[task.family].components if part.name == "tokenizer")
    files = (path for pattern in patterns for path in matching(folder, pattern))
    return next((path.parent for path in files if path.name == "tokenizer.json"), None), ""


def _read_prompt(request: Request, tokenizer: Path | None) -> Reading:
    """Clean the prompt and count it where it may be too long; short ones never load a tokenizer."""
    # ftfy and the tokenizer's library are paid on the worker thread, after the first paint.
    from pipelines.front.prompts import clean_prompt, count_tokens, may_be_cut

    text = clean_prompt(getattr(request, "full_prompt", request.prompt))
    if tokenizer is None or not may_be_cut(text):
        return Reading(text)
    try:
        return Reading(text, count_tokens(text, tokenizer))
    except (OSError, ValueError):
        # The estimate by letters stays; a damaged checkpoint is the business of its own check.
        return Reading(text)


def summary(task: TaskSpec, values: Values) -> str:
    """Field values in a few words, in the order of the form."""
    parts = []
    for name, spec in ordered_specs(task.request_type):
        if name not in values:
            continue
        value = values[name]
        match spec:
            case _ if untouched(spec, value):
                continue
            case Files():
                parts.append(trn("{count} file", "{count} files", len(value) if isinstance(value, tuple | list) else 1))
            case Flag():
                parts += [tr(spec.label)] if value else []
            case Choice():
                shown = next((tr(shown) for option, shown in spec.options if option == value), str(value))
                # A bare number says nothing without the name of its field.
                parts.append(f"{tr(spec.label)} {shown}" if shown.isdigit() else shown)
            case Text(multiline=True):
                parts.append(f"“{value}”" if len(str(value)) <= 40 else f"“{str(value)[:39]}…”")
            case _:
                parts.append(f"{tr(spec.label)} {value}")
    return " · ".join(parts)


def default_fields(task: TaskSpec, values: Values) -> dict[str, Any]:
    """The options worth keeping as a task's defaults: valid, of no file, not what the program starts with anyway."""
    usual = initial_values(task)
    specs = dict(field_specs(task.request_type))
    return {
        name: value
        for name, value in values.items()
        if name in specs
        and not isinstance(specs[name], Files | Regions)
        and not specs[name].belongs_to
        and not (isinstance(specs[name], Text) and name == "prompt")
        and value != usual[name]
        and not field_problem(specs[name], value)
    }


def shell_command(task: TaskSpec, request: Request, label: str) -> str:
    """The command line that adds the same job; only fields that differ from their defaults."""
    parts = ["skyreels-tui", "add", "--task_type", task.name]
    defaults = task.request_type()
    for name, spec in field_specs(task.request_type):
        value = getattr(request, name)
        if value == getattr(defaults, name) and name != "seed":
            continue
        if isinstance(spec, Flag):
            parts.append(f"--{name}" if value else f"--no-{name.replace('_', '-')}")
        else:
            parts += [f"--{name}", *(value if isinstance(spec, Files) else [str(value)])]
    if request.profile == "demo":
        parts += ["--profile", "demo"]
    if label:
        parts += ["--label", label]
    return shell_line(parts)

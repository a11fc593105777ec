"""A form without its looks: order of fields, request from typed values, checks and the estimate in words."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import CheckpointMissing, MediaError, Problem
from pipelines.plan import Plan
from pipelines.request import FieldSpec, Files, Flag, Profile, Request, Text, field_specs
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.jobs.references import check_request, references
from skyreels_tui.widgets.times import count, ends_at, size, words

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
class Checked:
    """What the checks of one state of the form found."""

    request: Request
    problems: tuple[Problem, ...]
    plan: Plan | None
    """None when the inputs do not say what the job costs."""
    checkpoint: str
    """Why the job cannot run here, or ''."""


def check_form(task: TaskSpec, request: Request, cache_dir: Path) -> Checked:
    """Check every field, plan the job and look for its checkpoint; opens files, so call it on a worker thread."""
    problems = tuple(check_request(request))
    # The prompt changes neither size nor time, so an empty one does not hide the estimate.
    plan = None
    if all(problem.field == "prompt" for problem in problems) and not references(request):
        try:
            plan = task.plan(request)
        except MediaError as error:
            first = next((name for name, spec in field_specs(type(request)) if isinstance(spec, Files)), "prompt")
            problems = (*problems, Problem(first, str(error)))
    return Checked(request, problems, plan, missing_checkpoint(task, request, cache_dir))


def missing_checkpoint(task: TaskSpec, request: Request, cache_dir: Path) -> str:
    """Why no checkpoint on this machine fits, in words, or ''; the demo models are made on first use."""
    if request.profile == "demo":
        return ""
    from pipelines.checkpoints.locate import locate

    try:
        locate(task.family, request.model_id, request.profile, cache_dir, task.name)
    except CheckpointMissing as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the estimate is held against; None where nothing is known."""

    available_bytes: int | None = None
    free_disk_bytes: int | None = None


def free_bytes(folder: Path) -> int | None:
    """Free bytes of the disk that holds `folder` or its nearest existing parent."""
    for path in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(path).free
        except OSError:
            continue
    return None


def estimate_lines(plan: Plan, seconds: float | None, learned: bool, machine: Machine, now: datetime) -> list[str]:
    """Two lines: what will be made, and what it takes."""
    made = [f"{plan.width}x{plan.height}", f"{count(plan.num_frames)} frames ({plan.num_frames / plan.fps:.1f} s)"]
    made += [plan.parts] if plan.parts else []
    made += [f"{count(plan.transformer_calls)} calls of {count(plan.num_tokens)} tokens"]
    takes = []
    if seconds is not None:
        takes = [f"{'' if learned else 'about '}{words(seconds)}", f"done {ends_at(seconds, now)} if it starts now"]
    takes.append(f"memory {size(plan.peak_bytes)}{_of(machine.available_bytes)}")
    takes.append(f"disk {size(plan.output_bytes + plan.work_bytes)}{_of(machine.free_disk_bytes)}")
    return [", ".join(made), " · ".join(takes)]


def _of(available: int | None) -> str:
    return "" if available is None else f" of {size(available)}"


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
    return shlex.join(parts)

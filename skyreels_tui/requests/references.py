"""`{{prev}}` and `{{job:NAME}}` in input fields: one job's input is another job's output, or is made for it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.errors import Problem
from pipelines.front.fields import Files
from pipelines.front.places import as_folder, is_folder
from pipelines.front.request import Request, check_fields, field_specs
from pipelines.tasks import task_named, task_of

_TOKEN = re.compile(r"\{\{\s*(?:prev|job:\s*(?P<name>.+?))\s*\}\}")


MADE_FIRST = {"{{voice}}": "voice", "{{picture}}": "picture"}
"""What stands for an input that a person's command makes before the job runs -> which command."""


def made_first(request: Request) -> dict[str, str]:
    """Input fields that wait for a command -> which one."""
    return {
        name: MADE_FIRST[value[0]]
        for name, spec in field_specs(type(request))
        if isinstance(spec, Files) and isinstance(value := getattr(request, name), tuple) and value
        if isinstance(value[0], str) and value[0] in MADE_FIRST
    }


def kinds_made_first(request_json: str, task: str) -> set[str]:
    """What the stored request of a job waits for: 'voice', 'picture'; nothing for one that cannot be read."""
    if not any(f'"{token}"' in request_json for token in MADE_FIRST):
        return set()
    try:
        request = task_named(task).request_type.from_dict(read_json(request_json))
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
    return set(made_first(request).values())


def field_of(task: str, media: str) -> str:
    """The first field of a task that takes files of this kind; ''."""
    specs = field_specs(task_named(task).request_type)
    return next((name for name, spec in specs if isinstance(spec, Files) and spec.media == media), "")


def stands_for(path: str) -> bool:
    """Whether a path is none yet: a reference, or what is made first."""
    return path.strip() in MADE_FIRST or token_name(path) is not None


def token_name(path: str) -> str | None:
    """The NAME of `{{job:NAME}}`, '' for `{{prev}}`, None when `path` is an ordinary path."""
    match = _TOKEN.fullmatch(path.strip())
    return None if match is None else (match["name"] or "")


def reference_fields(request: Request) -> dict[str, list[str]]:
    """Input fields that hold references, each with its reference texts in order."""
    fields: dict[str, list[str]] = {}
    for name, spec in field_specs(type(request)):
        paths = getattr(request, name)
        if isinstance(spec, Files) and isinstance(paths, tuple):
            texts = [path for path in paths if isinstance(path, str) and token_name(path) is not None]
            if texts:
                fields[name] = texts
    return fields


def references(request: Request) -> dict[str, str]:
    """Reference text -> the field it stands in."""
    return {text: name for name, texts in reference_fields(request).items() for text in texts}


def substitute(request: Request, outputs: Mapping[str, str]) -> Request:
    """Replace every reference text by the path in `outputs`."""
    changes: dict[str, Any] = {
        name: tuple(outputs.get(path, path) for path in getattr(request, name)) for name in reference_fields(request)
    }
    return dataclasses.replace(request, **changes) if changes else request


def with_absolute_paths(request: Request) -> Request:
    """The request as it means the same in every working folder."""
    changes: dict[str, Any] = {}
    for name, spec in field_specs(type(request)):
        paths = getattr(request, name)
        if isinstance(spec, Files) and isinstance(paths, tuple):
            changes[name] = tuple(
                str(Path(path).expanduser().absolute()) if path and not stands_for(path) else path for path in paths
            )
    if isinstance(request.model_id, str) and request.model_id and is_folder(as_folder(request.model_id)):
        changes["model_id"] = str(as_folder(request.model_id).absolute())
    return dataclasses.replace(request, **changes)


def check_request(request: Request) -> list[Problem]:
    """`request.check()` and the model it names, without opening the outputs that do not exist yet."""
    problems = [*_check_inputs(request), *model_problems(request)]
    return problems if problems else lora_problems(request)


def model_problems(request: Request, own_folder: str = "") -> list[Problem]:
    """Why a job could only fail with the model that it names, or else with the folder that the settings name."""
    model = request.model_id or own_folder
    if request.profile == "demo" or not isinstance(model, str) or not model:
        return []
    # Folders are read only for those who name one.
    from pipelines.checkpoints.usable import why_unusable

    task = task_of(request)
    why = why_unusable(task.family, model, task.name)
    return [Problem("model_id", why)] if why else []


def lora_problems(request: Request, own_folder: str = "") -> list[Problem]:
    """Why a LoRA file cannot be merged into the model of the request, or into the one that the settings name."""
    if not request.lora:
        return []
    # Headers of files and of a checkpoint are read only for those who name one.
    from pipelines.checkpoints.lora import check

    return check.lora_file_problems(request, own_folder)


def _check_inputs(request: Request) -> list[Problem]:
    fields = {*reference_fields(request), *made_first(request)}
    if not fields:
        return request.check()
    whole = check_fields(request)
    files: dict[str, Any] = {
        name: tuple(path for path in getattr(request, name) if not stands_for(path)) for name in fields
    }
    rest = dataclasses.replace(request, **files)
    counted = check_fields(rest)
    own = [problem for problem in whole if problem.field in fields or problem not in counted]
    missing = [problem for problem in counted if problem.field in fields or problem not in whole]
    return own + [problem for problem in rest.check() if problem not in missing]

"""A job's work folder: what its stored steps were computed from, and when they may be used again."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.fields import Files
from pipelines.front.places import is_file
from pipelines.front.request import field_specs
from pipelines.running.resume import WorkDir
from skyreels_tui.queue.model import Job

_ORIGIN = "origin.json"
_INPUTS = "inputs.json"
DISCARDED = ".discarded"
"""Ending of a folder whose steps nobody wants any more."""


def prepare(folder: Path, job: Job) -> bool:
    """Make the folder fit for an attempt at `job` (references resolved); True when stored steps may be used.

    Steps of another request are thrown away. Raises InputChanged when an input file is not the one the steps
    were computed from.
    """
    origin = folder / _ORIGIN
    made_of = read_json(job.request_json)
    # On another number of GPUs the steps are the same up to rounding.
    made_of.pop("gpus", None)
    request = json.dumps({"task_type": job.task_type, "request": made_of})
    if _has_steps(folder) and origin.exists() and origin.read_text("utf-8") == request:
        WorkDir(folder).check_inputs()
        return True
    remove(folder)
    work = WorkDir(folder)
    work.remember_inputs(_input_files(job))
    write_whole(origin, request.encode())
    return False


def remove(folder: Path) -> None:
    """Delete the folder; one that is not there is fine."""
    if folder.exists():
        shutil.rmtree(folder)


def set_aside(folder: Path) -> Path | None:
    """Take a folder out of use under a name that no job has; None where there is none."""
    aside = folder.with_name(f"{folder.name}{DISCARDED}")
    remove(aside)
    try:
        return folder.rename(aside)
    except FileNotFoundError:
        return None


def put_back(folder: Path, aside: Path | None) -> None:
    """Use the folder again, unless its job has begun a new one meanwhile."""
    if aside is not None:
        with suppress(OSError):
            aside.rename(folder)


def discard(aside: Path | None) -> None:
    """Delete what was set aside; what cannot be deleted now goes with the next sweep."""
    if aside is not None:
        with suppress(OSError):
            remove(aside)


def _has_steps(folder: Path) -> bool:
    return folder.exists() and any(entry.name not in (_ORIGIN, _INPUTS) for entry in folder.iterdir())


def _input_files(job: Job) -> list[Path]:
    """The input files that are there; the executor says which ones are missing."""
    request = job.request
    return [
        path
        for name, spec in field_specs(type(request))
        if isinstance(spec, Files)
        for path in (Path(spec.file_of(entry)) for entry in getattr(request, name))
        if is_file(path)
    ]

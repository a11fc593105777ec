"""A job's work folder: what its stored steps were computed from, and when they may be used again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pipelines.errors import InputChanged
from pipelines.request import Files, field_specs
from skyreels_tui.jobs.durable import write_durably
from skyreels_tui.jobs.model import Job

_ORIGIN = "origin.json"


def prepare(folder: Path, job: Job) -> bool:
    """Make the folder fit for an attempt at `job` (references resolved); True when stored steps may be used.

    Steps of another request are thrown away. Raises InputChanged when an input file is not the one the steps
    were computed from.
    """
    origin = folder / _ORIGIN
    request = {"task_type": job.task_type, "request": json.loads(job.request_json)}
    known = _read(origin)
    if known.get("request") == request and any(entry.name != _ORIGIN for entry in folder.iterdir()):
        for name, digest in known["inputs"].items():
            if _digest(Path(name)) != digest:
                raise InputChanged(Path(name))
        return True
    remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    inputs = {str(path): _digest(path) for path in _input_files(job)}
    text = json.dumps({"request": request, "inputs": inputs}, ensure_ascii=False, indent=1)
    write_durably(origin, text.encode("utf-8", "surrogateescape"))
    return False


def remove(folder: Path) -> None:
    """Delete the folder; one that is not there is fine."""
    if folder.exists():
        shutil.rmtree(folder)


def _read(origin: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(origin.read_bytes().decode("utf-8", "surrogateescape"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) and {"request", "inputs"} <= content.keys() else {}


def _input_files(job: Job) -> list[Path]:
    request = job.request
    return [
        Path(path)
        for name, spec in field_specs(type(request))
        if isinstance(spec, Files)
        for path in getattr(request, name)
        if Path(path).is_file()
    ]


def _digest(path: Path) -> str:
    """sha256 of the file, or '' when it cannot be found."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""

"""Forms kept under a name, one JSON file a task in the config folder; knows nothing of Textual."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from pipelines.front.request import field_specs
from pipelines.tasks import task_named

LONGEST_NAME = 60


class PresetsError(PipelineError):
    """A preset that is not there, or a file of presets that cannot be read or written, in words."""


class Presets:
    """Presets of every task; each call reads the file anew, so that two windows see each other's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of_task(self, task: str) -> dict[str, dict[str, Any]]:
        """Name -> field values, sorted by name; raises PresetsError."""
        path = self._path(task)
        try:
            found = read_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise PresetsError(tr("{path} cannot be read: {reason}", path=path, reason=error)) from error
        if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
            raise PresetsError(tr("{path} holds no presets: mend or remove it", path=path))
        return {name: _known(task, found[name]) for name in sorted(found, key=str.lower)}

    def get(self, task: str, name: str) -> dict[str, Any]:
        """Field values of one preset; raises PresetsError that names those there are."""
        presets = self.of_task(task)
        if name not in presets:
            names = ", ".join(presets) or tr("none is saved")
            raise PresetsError(tr("{task} has no preset {name!r}: {names}", task=task, name=name, names=names))
        return presets[name]

    def save(self, task: str, name: str, values: Mapping[str, Any]) -> None:
        """Keep `values` under a name, in place of what stood there; raises PresetsError or DiskFull."""
        self._write(task, {**self.of_task(task), name: kept_values(task, values)})

    def delete(self, task: str, name: str) -> dict[str, Any]:
        """Forget a preset and return what it held; raises PresetsError."""
        values = self.get(task, name)
        self._write(task, {key: kept for key, kept in self.of_task(task).items() if key != name})
        return values

    def _path(self, task: str) -> Path:
        return self._folder / f"{task}.json"

    def _write(self, task: str, presets: Mapping[str, Mapping[str, Any]]) -> None:
        # Only ASCII leaves json.dumps: names of files that are not UTF-8 come back as they were.
        text = json.dumps(presets, indent=2)
        try:
            make_folder(self._folder)
            write_whole(self._path(task), text.encode("ascii"))
        except OSError as error:
            raise PresetsError(tr("{path} cannot be written: {reason}", path=self._path(task), reason=error)) from error


def kept_values(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a preset holds: fields of the task with something in them, so that it leaves the others alone.

    What is about a file is kept with that file only.
    """
    specs = dict(field_specs(task_named(task).request_type))
    kept = {name: value for name, value in _known(task, values).items() if value not in ("", (), [], None)}
    return {name: value for name, value in kept.items() if not specs[name].belongs_to or specs[name].belongs_to in kept}


def preset_name_problem(name: str) -> str:
    """Why a preset cannot have this name, or ''."""
    if not name.strip():
        return tr("Give it a name")
    if len(name) > LONGEST_NAME:
        return tr("At most {count} characters", count=LONGEST_NAME)
    return "" if name.isprintable() else tr("Letters, digits and signs only")


def _known(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {name for name, _ in field_specs(task_named(task).request_type)}
    return {name: value for name, value in values.items() if name in names}

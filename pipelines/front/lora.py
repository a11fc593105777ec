"""LoRA files as a request names them, 'FILE' or 'FILE:strength'; opens no file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr

SUFFIX = ".safetensors"
MOST = 8
"""LoRA files of one job."""
STRONGEST = 10.0
_ENTRY = re.compile(r"(?P<path>.*\.safetensors):(?P<strength>[^/]*)", re.DOTALL | re.IGNORECASE)


class LoraRefused(PipelineError):
    """A LoRA file that cannot change this network."""


@dataclass(frozen=True, slots=True)
class Lora:
    """One file and how much of it is taken."""

    path: Path
    strength: float = 1.0

    @property
    def words(self) -> str:
        """Its name and strength, for a line of facts."""
        return f"{self.path.name} {self.strength:g}"


def file_of(entry: str) -> str:
    """The path of an entry, without its strength."""
    match = _ENTRY.fullmatch(entry)
    return match["path"] if match else entry


def with_strength(entry: str, strength: float) -> str:
    """The entry with another strength; 1 is not written."""
    return file_of(entry) if strength == 1 else f"{file_of(entry)}:{strength:g}"


def parse_lora(entry: str) -> Lora:
    """Read an entry; raises LoraRefused in words."""
    match = _ENTRY.fullmatch(entry)
    path = Path(file_of(entry))
    if path.suffix.lower() != SUFFIX:
        raise LoraRefused(
            tr("{name}: only {suffix} files are taken: other kinds can run programs", name=path.name, suffix=SUFFIX)
        )
    if match is None:
        return Lora(path)
    try:
        strength = float(match["strength"])
    except ValueError:
        strength = float("nan")
    if not isfinite(strength) or abs(strength) > STRONGEST:
        raise LoraRefused(
            tr(
                "{name}: the strength {text!r} is no number from {low:g} to {high:g}",
                name=path.name,
                text=match["strength"],
                low=-STRONGEST,
                high=STRONGEST,
            )
        )
    return Lora(path, strength)


def entries_problem(entries: tuple[str, ...]) -> str:
    """Why these entries cannot stand together, or ''."""
    try:
        paths = [parse_lora(entry).path for entry in entries]
    except LoraRefused as error:
        return str(error)
    twice = next((path for number, path in enumerate(paths) if path in paths[:number]), None)
    return tr("{name}: given twice: give it once, with one strength", name=twice.name) if twice else ""

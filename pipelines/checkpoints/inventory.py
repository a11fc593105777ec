"""What of a checkpoint lies in a folder, part by part; opens only the small index files, never a weight."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipelines.checkpoints.registry import Component
from pipelines.front.documents import read_json
from pipelines.front.language import mark
from pipelines.front.places import is_file, is_there, matching, num_bytes, real

WEIGHTS = (".safetensors", ".pth", ".bin")
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
INDEX = ".safetensors.index.json"


class Presence(StrEnum):
    """How much of something is on this machine."""

    PRESENT = "present"
    PARTIAL = "partial"
    MISSING = "missing"
    CORRUPT = "corrupt"
    """A file of it is known to be damaged."""


PRESENCE_WORDS = {
    Presence.PRESENT: mark("present"),
    Presence.PARTIAL: mark("partial"),
    Presence.MISSING: mark("missing"),
    Presence.CORRUPT: mark("corrupt"),
}
"""As people read them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One component as found in a folder."""

    component: Component
    files: tuple[Path, ...]
    num_bytes: int
    absent: tuple[str, ...]
    """Files that must be there and are not, relative to the folder."""
    corrupt: tuple[str, ...] = ()
    """Files that a check found damaged, relative to the folder."""

    @property
    def presence(self) -> Presence:
        """Present when nothing is absent, missing when no file of it is there."""
        if self.corrupt:
            return Presence.CORRUPT
        if not self.files:
            return Presence.MISSING
        return Presence.PARTIAL if self.absent else Presence.PRESENT


def inspect(folder: Path, components: Iterable[Component], damaged: Collection[Path] = ()) -> tuple[Part, ...]:
    """Look for every component in `folder`; a broken link counts as an absent file.

    `damaged` are files, links resolved, that a check found damaged.
    """
    return tuple(_inspect_part(folder, component, damaged) for component in components)


def presence_of(parts: Iterable[Part]) -> Presence:
    """Sum up several parts."""
    found = {part.presence for part in parts}
    if Presence.CORRUPT in found:
        return Presence.CORRUPT
    if found == {Presence.PRESENT}:
        return Presence.PRESENT
    return Presence.MISSING if found <= {Presence.MISSING} else Presence.PARTIAL


def _inspect_part(folder: Path, component: Component, damaged: Collection[Path]) -> Part:
    matches = {path for pattern in component.patterns for path in matching(folder, pattern)}
    files = tuple(sorted(path for path in matches if is_file(path)))
    absent = {_relative(path, folder) for path in matches if not is_there(path)}
    for index in files:
        if index.name.endswith(INDEX):
            absent |= {
                _relative(index.parent / shard, folder) for shard in _shards(index) if not is_file(index.parent / shard)
            }
    if not absent and not any(_carries(component, path) for path in files):
        absent.add(component.patterns[0])
    corrupt = tuple(_relative(path, folder) for path in files if damaged and real(path) in damaged)
    return Part(component, files, sum(map(num_bytes, files)), tuple(sorted(absent)), corrupt)


def _carries(component: Component, path: Path) -> bool:
    """True for a file that makes the component usable, beside which the others are small print."""
    return path.name in TOKENIZER_FILES if component.name == "tokenizer" else path.suffix in WEIGHTS


def _shards(index: Path) -> set[str]:
    try:
        weight_map = read_json(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name) for name in weight_map.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # An unreadable index is a damaged download: named as absent, so that it is fetched again.
        return {index.name + " (unreadable)"}


def _relative(path: Path, folder: Path) -> str:
    # An index may name a file anywhere.
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()

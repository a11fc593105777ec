"""Finds the files that an imported film names: as they are, beside the file, upwards, or in folders that were named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_EARLIER = re.compile(r"(?:.*/)?result/(?P<task>[a-z0-9_]+)/(?P<seed>[0-9]{1,19})_[^/]*\.mp4")


@dataclass(frozen=True, slots=True)
class Places:
    """Where relative paths may begin."""

    bases: tuple[Path, ...]

    @classmethod
    def of(cls, file: Path, folders: Sequence[Path] = ()) -> Places:
        """The folder of the file, those above it, then the named ones."""
        beside = file.absolute().parent
        return cls((beside, *beside.parents, *(folder.absolute() for folder in folders)))

    def find(self, text: str) -> Path | None:
        """The file of this name; None where none is there."""
        try:
            path = Path(text).expanduser()
            return next((base / path for base in self.bases if (base / path).is_file()), None)
        except (OSError, ValueError, RuntimeError):
            # Too long for a name, with a NUL, '~name' of nobody.
            return None

    def missing(self, text: str) -> str:
        """What a file that is not there is called: beside the file that names it."""
        try:
            return str(self.bases[0] / Path(text).expanduser())
        except RuntimeError:
            return str(self.bases[0] / text)


def earlier_result(text: str) -> tuple[str, int] | None:
    """Task and seed of 'result/<task>/<seed>_<time>.mp4'; None for any other path."""
    found = _EARLIER.fullmatch(text.replace("\\", "/"))
    return None if found is None else (found["task"], int(found["seed"]))

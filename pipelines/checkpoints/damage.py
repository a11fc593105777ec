"""Remembers which files a check found damaged, until they change; opens none of them."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.places import real

DAMAGE_FILE = "damaged-files.json"
"""Its usual name, in the program's state folder."""

DamageEntry = tuple[int, int, str]


class DamageBook:
    """A small JSON file: path -> (size, time of change, what is wrong). A damaged book counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, file: Path, detail: str) -> None:
        """Keep what a check of `file` found; '' means that it is as it should be."""
        entries, key = self._read(), str(real(file))
        known = entries.pop(key, None)
        if detail:
            found = file.stat()
            entries[key] = (found.st_size, found.st_mtime_ns, detail)
        if detail or known is not None:
            make_folder(self.path.parent)
            write_whole(self.path, json.dumps(entries, indent=1).encode())

    def damaged(self) -> dict[Path, str]:
        """Return file -> what is wrong with it, for files that are still what the check saw; links resolved."""
        return {Path(path): entry[2] for path, entry in self._read().items() if _is_same(Path(path), entry)}

    def _read(self) -> dict[str, DamageEntry]:
        try:
            stored = read_json(self.path.read_text("utf-8"))
            return {path: (int(size), int(at), str(detail)) for path, (size, at, detail) in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError):
            return {}


def _is_same(path: Path, entry: DamageEntry) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == entry[:2]

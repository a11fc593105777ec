"""Files between a worker's folders and the job's own: whole or absent on both sides; knows no job."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pipelines.front.durable import make_folder, put_in_place
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.executors.cluster.messages import PART_BYTES, Area, FilePart, FileRemoved

INCOMING = ".incoming-"
"""How the name of a file begins that is not whole yet."""
OWN_NAMES = frozenset({"names.json", "origin.json", "inputs.json"})
"""Files of a work folder that speak of places on their own machine: each side has its own."""


def travels(path: Path) -> bool:
    """Whether a file of a work folder is one of its durable ones."""
    return not (path.name.startswith(".") or path.name.endswith(".part.mp4") or path.name in OWN_NAMES)


def durable_files(folder: Path) -> list[Path]:
    """The durable files of a work folder, the oldest first."""
    found = [(path.stat().st_mtime_ns, path) for path in folder.glob("*") if path.is_file() and travels(path)]
    return [path for _, path in sorted(found)]


def parts_of(path: Path, area: Area, name: str = "") -> Iterator[FilePart]:
    """Read a file in parts."""
    left = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while True:
            data = file.read(min(PART_BYTES, left - offset))
            is_last = offset + len(data) >= left or not data
            yield FilePart(area, name or path.name, offset, data, is_last)
            offset += len(data)
            if is_last:
                return


def put(folder: Path, part: FilePart) -> Path | None:
    """Take in a part; the file's path once it is whole, durably in its place. Raises OSError."""
    name = plain_name(part.name)
    incoming = folder / f"{INCOMING}{name}"
    if part.offset == 0:
        make_folder(folder)
        incoming.unlink(missing_ok=True)
    with incoming.open("ab") as file:
        if file.tell() != part.offset:
            raise PipelineError(tr("{name} arrived incomplete: its job goes on at the step before", name=name))
        file.write(part.data)
    if not part.is_last:
        return None
    put_in_place(incoming, folder / name)
    return folder / name


def plain_name(name: str) -> str:
    """A file's name that leads nowhere else. Raises PipelineError."""
    if name in ("", ".", "..") or "/" in name or "\0" in name or name.startswith("."):
        raise PipelineError(tr("{name!r} is no name of a file of a job", name=name[:60]))
    return name


def sha256(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Mirror:
    """Tells what has changed in a work folder since it was asked last."""

    def __init__(self, folder: Path) -> None:
        """What lies there already is known to the other side."""
        self._folder = folder
        self._known = self._look()

    def _look(self) -> dict[str, tuple[int, int, int]]:
        known = {}
        for path in durable_files(self._folder):
            facts = path.stat()
            known[path.name] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        return known

    def changes(self) -> Iterator[FilePart | FileRemoved]:
        """What was written, the oldest first, then what was removed."""
        now = self._look()
        for name, facts in now.items():
            if self._known.get(name) != facts:
                yield from parts_of(self._folder / name, "work")
        for name in self._known:
            if name not in now:
                yield FileRemoved(name)
        self._known = now

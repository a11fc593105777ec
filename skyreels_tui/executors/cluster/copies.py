"""Files between a worker's folders and the job's own: whole or absent on both sides; knows no job."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
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
    return list(_facts_of(folder))


def _facts_of(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Each durable file -> when it was written, its size and inode; the oldest first."""
    found: list[tuple[tuple[int, int, int], Path]] = []
    for path in folder.glob("*"):
        # Steps are stored, and older ones removed, by a thread of their own.
        with suppress(FileNotFoundError):
            facts = path.stat()
            if stat.S_ISREG(facts.st_mode) and travels(path):
                found.append(((facts.st_mtime_ns, facts.st_size, facts.st_ino), path))
    return {path: facts for facts, path in sorted(found, key=lambda one: (one[0][0], one[1].name))}


def parts_of(path: Path, area: Area, name: str = "") -> Iterator[FilePart]:
    """Read a file in parts."""
    with path.open("rb") as file:
        left, offset = os.fstat(file.fileno()).st_size, 0
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
        self._known = _facts_of(folder)

    def changes(self) -> Iterator[FilePart | FileRemoved]:
        """What was written, the oldest first, then what was removed."""
        now = _facts_of(self._folder)
        for path, facts in now.items():
            if self._known.get(path) != facts:
                # One that has gone meanwhile is told of at the next look.
                with suppress(FileNotFoundError):
                    yield from parts_of(path, "work")
        for path in self._known:
            if path not in now:
                yield FileRemoved(path.name)
        self._known = now

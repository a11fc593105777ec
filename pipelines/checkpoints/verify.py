"""Checks the files of a checkpoint: there, whole, readable, and what the hub says they are; loads no weight."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from pipelines.checkpoints.download.fetch import matches_etag
from pipelines.checkpoints.inventory import INDEX, inspect
from pipelines.checkpoints.registry import Component
from pipelines.front.documents import read_json
from pipelines.front.language import reason_of, tr

HEADER_LIMIT = 100_000_000
"""Bytes; the format's own limit."""


class Finding(StrEnum):
    """What a check of one file gave."""

    OK = "ok"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file and what is wrong with it."""

    path: str
    """Relative to the checkpoint's folder."""
    finding: Finding
    detail: str = ""


def verify(
    folder: Path,
    components: Iterable[Component],
    *,
    checksums: bool = True,
    tell: Callable[[str, int], None] = lambda path, num_bytes: None,
) -> Iterator[FileCheck]:
    """Check every file of the components, one after the other.

    With `checksums` files of the shared cache are read whole and compared with the hub's checksum, which their
    blob is named after; `tell(path, bytes)` hears what was read and may raise to stop.
    """
    for part in inspect(folder, components):
        for name in part.absent:
            yield FileCheck(name, Finding.MISSING, tr("{part} needs it", part=part.component.name))
        for path in part.files:
            name = path.relative_to(folder).as_posix()
            detail = content_problem(path)
            if not detail and checksums and not _checksum_fits(path, partial(tell, name)):
                detail = tr("its checksum is not the hub's")
            yield FileCheck(name, Finding.CORRUPT if detail else Finding.OK, detail)


def content_problem(path: Path) -> str:
    """Return why a file cannot be what its name says, or ''; reads headers only."""
    try:
        if path.stat().st_size == 0:
            return tr("the file is empty")
        if path.name.endswith(INDEX):
            return _index_problem(path)
        if path.suffix == ".safetensors":
            return _safetensors_problem(path)
        if path.suffix in {".pth", ".bin"}:
            return _archive_problem(path)
        if path.suffix == ".json":
            read_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        return tr("cannot be read: {why}", why=reason_of(error))
    except ValueError:
        return tr("is no valid JSON")
    return ""


def _safetensors_problem(path: Path) -> str:
    """Read the header: its length, its JSON, and that the tensors fill the file to its last byte."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, HEADER_LIMIT):
            return tr("is no safetensors file, or is cut off in its header")
        try:
            header = read_json(stream.read(length))
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return tr("its header is damaged")
    expected = 8 + length + max(ends, default=0)
    if expected == size:
        return ""
    return tr("has {size} bytes where its header says {expected}", size=size, expected=expected)


def _index_problem(path: Path) -> str:
    weight_map = read_json(path.read_text(encoding="utf-8")).get("weight_map")
    return "" if isinstance(weight_map, dict) and weight_map else tr("names no tensors")


def _archive_problem(path: Path) -> str:
    """A .pth is a zip archive with its directory at the end: a cut file has none. Nothing is unpickled."""
    with path.open("rb") as stream:
        if stream.read(2) != b"PK":
            # The older container has no directory to check.
            return ""
    try:
        with zipfile.ZipFile(path) as archive:
            return "" if archive.namelist() else tr("is empty")
    except zipfile.BadZipFile:
        return tr("is cut off or damaged")


def _checksum_fits(path: Path, tell: Callable[[int], None]) -> bool:
    """Compare a file of the shared cache with its blob's name; other files have no checksum to compare with."""
    blob = path.resolve()
    return blob.parent.name != "blobs" or matches_etag(blob, blob.name, tell)

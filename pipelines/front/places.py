"""Asks about paths that belong to a person or to another program; what cannot be looked at is not there.

Knows nothing of what lies at a path. `Path.exists` and its kind raise where a name is too long, where a folder may not
be entered or where a disk fails: one such path must not end who asks about it and about all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def as_folder(text: str) -> Path:
    """Read a path as typed, `~` expanded; the `~name` of nobody stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_there(path: Path) -> bool:
    """Whether something lies at `path`; a link counts as what it leads to."""
    return _says(path.exists)


def is_taken(path: Path) -> bool:
    """Whether something has this name: a file, or a link wherever it leads."""
    return _says(path.is_symlink) or is_there(path)


def is_folder(path: Path) -> bool:
    """Whether a folder lies at `path`."""
    return _says(path.is_dir)


def is_file(path: Path) -> bool:
    """Whether an ordinary file lies at `path`."""
    return _says(path.is_file)


def num_bytes(path: Path) -> int:
    """Length of a file; 0 for one that has gone or may not be looked at."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


def nearest_existing(path: Path) -> Path:
    """Return `path` or the nearest folder above it that exists: a folder of ours is made at first use."""
    path = path.absolute()
    return next((one for one in (path, *path.parents) if is_there(one)), Path("/"))


def real(path: Path) -> Path:
    """Return `path` with every link followed that leads somewhere; links in a circle stay as they are."""
    return Path(os.path.realpath(path))


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder; nothing of one that cannot be listed, or no further."""
    with suppress(OSError, ValueError), os.scandir(folder) as listing:
        yield from listing


def matching(folder: Path, pattern: str) -> list[Path]:
    """Return what `folder.glob(pattern)` finds; nothing in a folder that cannot be listed."""
    try:
        return list(folder.glob(pattern))
    except (OSError, ValueError):
        return []


def _says(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except (OSError, ValueError):
        return False

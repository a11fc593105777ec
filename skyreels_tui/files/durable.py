"""Files that survive a power cut: written under a temporary name, fsynced, renamed, their folder fsynced."""

from __future__ import annotations

import os
from pathlib import Path


def fsync_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Wait until the folder's names are on the disk."""
    fsync_file(path)


def publish_file(temporary: Path, target: Path) -> None:
    """Give an fsynced file its name; readers see the old file or the new one, never half of it."""
    temporary.replace(target)
    fsync_folder(target.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Replace the content of `path`; after a crash it is the old content or the new one."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    publish_file(temporary, path)


def write_atomically(path: Path, data: bytes) -> None:
    """Like `write_durably` without waiting for the disk: for live files that a crash may lose."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)

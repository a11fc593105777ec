"""Writes files that are whole or absent, also when the machine stops in between; knows nothing of their content."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from pipelines.front.errors import DiskFull


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name beside `path`, flush to the disk, rename. Raises DiskFull."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path.parent, len(data), shutil.disk_usage(path.parent).free) from error
        raise


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Room on disk: what a job needs before it starts, and whether an error means that a disk is full."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.errors import DiskFull, free_files
from pipelines.front.language import tr
from pipelines.front.places import nearest_existing
from skyreels_tui.files.folders import free_bytes
from skyreels_tui.queue.errors import QueueTrouble, Trouble
from skyreels_tui.words.sizes import size

RESERVE_BYTES = 32 * 2**20
"""Stays free for the queue itself, logs and sidecars."""

FILES_OF_A_JOB = 4
"""A job writes at least a piece, a step, the video and its sidecar."""

FreeBytes = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that will be written below a folder."""

    path: Path
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A file system without enough room."""

    path: Path
    needed_bytes: int
    free_bytes: int
    no_inodes: bool = False
    """The bytes fit, but no more files do."""

    def __str__(self) -> str:
        if self.no_inodes:
            return tr("no room for more files on {path}: delete some there", path=self.path)
        return tr(
            "disk full: needs {needed} on {path}, {free} free",
            needed=size(self.needed_bytes),
            path=self.path,
            free=size(self.free_bytes),
        )


def shortage(
    needs: Sequence[Need], free: FreeBytes = free_bytes, files: Callable[[Path], int | None] = free_files
) -> Shortage | None:
    """The first file system on which the needs do not fit together, or no more files do; None when all fit."""
    by_device: dict[int, list[Need]] = {}
    for need in needs:
        by_device.setdefault(nearest_existing(need.path).stat().st_dev, []).append(need)
    for group in by_device.values():
        total = sum(need.num_bytes for need in group) + RESERVE_BYTES
        left = free(group[0].path)
        if left < total:
            return Shortage(group[0].path, total, left)
        room = files(nearest_existing(group[0].path))
        if room is not None and room < FILES_OF_A_JOB:
            return Shortage(group[0].path, total, left, no_inodes=True)
    return None


def full_disk(error: BaseException) -> bool:
    """True when the error, or one that caused it, says that a disk is full; its code decides, never its words."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DiskFull):
            return True
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if isinstance(seen, QueueTrouble) and seen.trouble is Trouble.FULL:
            return True
        seen = seen.__cause__ or seen.__context__
    return False

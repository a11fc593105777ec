"""The one way to write a file: whole or absent, through no link, private unless told; knows nothing of content."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path

from pipelines.front.errors import DiskFull
from pipelines.front.language import mark

PART = ".part"
"""Ending of a file whose writing has not ended."""
_NAME_BYTES = 200
"""Of a name that may be 255 bytes long, what leaves room for a temporary one's additions."""


def write_whole(path: Path, data: bytes, *, durable: bool = True, private: bool = True) -> None:
    """Put `data` at `path` in one step: a reader sees the old file or the new one, a link there is replaced.

    Durable: on the disk when this returns, and old or new after a power cut; else a crash may lose it.
    Private: readable by its owner alone whatever the umask; else as the umask says. Raises DiskFull, or OSError,
    also where `path` is a device: /dev/stdout must not become a file.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, mark("a pipe or a device, not a file"), str(path))
    temporary = _beside(path)
    try:
        with open(temporary, "wb", opener=_creator(0o600 if private else 0o666)) as file:
            file.write(data)
        if durable:
            put_in_place(temporary, path)
        else:
            temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path.parent, len(data), shutil.disk_usage(path.parent).free) from error
        raise


def write_new(path: Path, data: bytes, *, private: bool = True) -> Path:
    """Put `data` at `path`, whole and durably, or beside it with a number where the name is taken; returns where.

    Nothing that is there is replaced or followed, also what comes there meanwhile. Raises DiskFull or OSError.
    """
    temporary = _beside(path)
    try:
        with open(temporary, "wb", opener=_creator(0o600 if private else 0o666)) as file:
            file.write(data)
        return put_new(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path.parent, len(data), shutil.disk_usage(path.parent).free) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_new(temporary: Path, wanted: Path, *, free_too: Sequence[str] = ()) -> Path:
    """Give a file the wanted name, durably, or one with a number where that is taken; returns it.

    `free_too` are endings under which nothing may lie beside it either. Nothing that is there is touched.
    """
    sync(temporary)
    number, target = 1, wanted
    while any(map(_is_there, map(target.with_suffix, free_too))) or not _take_name(temporary, target):
        number += 1
        target = wanted.with_stem(f"{wanted.stem}-{number}")
    sync(target.parent)
    return target


def put_in_place(temporary: Path, final: Path) -> None:
    """Give a file that another program wrote its name, durably; a link at `final` is replaced, not followed."""
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, *, private: bool = True) -> None:
    """Make a folder and the missing ones above it, for their owner alone, or readable by all as the umask allows.

    Nobody else may ever write into them, also under a umask of 0. One that is there stays as it is.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700 if private else 0o755, exist_ok=True)


def new_private_file(path: Path) -> None:
    """Put an empty file of the owner alone at `path`, for a program that opens by name and keeps its mode."""
    path.unlink(missing_ok=True)
    os.close(_creator(0o600)(path, os.O_WRONLY | os.O_CREAT))


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)`: no link is followed, and the file becomes its owner's alone."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    # A file system without modes, or somebody else's file: there is nothing to narrow.
    with suppress(PermissionError):
        os.fchmod(descriptor, 0o600)
    return descriptor


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _take_name(temporary: Path, target: Path) -> bool:
    """Rename unless the name is taken, in one step: False then."""
    try:
        os.link(temporary, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without second names: the name is taken with an empty file, which the whole one replaces.
        try:
            os.close(_creator(0o600)(target, os.O_WRONLY | os.O_CREAT))
        except FileExistsError:
            return False
        temporary.replace(target)
        return True
    temporary.unlink()
    return True


def _creator(mode: int) -> Callable[[str | Path, int], int]:
    """For `open(..., opener=...)`: a new file with this mode, less the umask; never one that is there, or a link."""
    return lambda path, flags: os.open(path, flags | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def discard_parts(path: Path) -> None:
    """Remove what killed writes of `path` had begun; only for a name that nobody else writes meanwhile."""
    for part in path.parent.glob(f"{escape(_part_prefix(path))}{'[0-9a-f]' * 8}{PART}"):
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A name in the same folder that nobody has, hidden and marked as unfinished."""
    return path.with_name(f"{_part_prefix(path)}{os.urandom(4).hex()}{PART}")


def _part_prefix(path: Path) -> str:
    return f".{os.fsdecode(os.fsencode(path.name)[:_NAME_BYTES])}."

"""Files on disk: refusing what is no regular file, and answers remembered until a file changes."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Generic, TypeVar

from pipelines.front.errors import DiskFull, MediaError
from pipelines.front.language import reason_of, tr

T = TypeVar("T")
_REMEMBERED = 256


def plain_line(text: str, limit: int = 120) -> str:
    """Make foreign text safe to show: printable characters only, one line, at most `limit` of them."""
    line = _plain(text[: 4 * limit])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def plain_end(text: str, limit: int = 160) -> str:
    """As `plain_line`, of what is too long the end: programs name the file first and then what is wrong with it."""
    line = _plain(text[-4 * limit :])
    return line if len(line) <= limit else "…" + line[1 - limit :]


def shown(path: str | Path) -> str:
    """Return a file's name for a message."""
    name = os.fspath(path).rstrip("/").rpartition("/")[2]
    return plain_line(name, limit=80) or tr("the path")


def whole(path: str | Path, limit: int = 240) -> str:
    """Return where a file was looked for, for a message; of what is too long the end, where the name is."""
    return plain_end(os.fspath(Path(path).absolute()), limit)


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def regular(path: str | Path) -> os.stat_result:
    """Return the facts of a readable, non-empty regular file; MediaError says what else the path is."""
    name = shown(path)
    if not os.fspath(path).strip():
        raise MediaError(tr("the path is empty: choose a file"))
    try:
        facts = Path(path).stat()
    except FileNotFoundError:
        raise MediaError(tr("{name}: no such file", name=whole(path))) from None
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else tr("not a usable path")
        raise MediaError(f"{name}: {reason}") from error
    if stat.S_ISDIR(facts.st_mode):
        raise MediaError(tr("{name}: is a directory, not a file", name=name))
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError(tr("{name}: is a pipe or a device, not a file", name=name))
    if facts.st_size == 0:
        raise MediaError(tr("{name}: the file is empty (0 bytes)", name=name))
    if not os.access(path, os.R_OK):
        raise MediaError(tr("{name}: no permission to read it", name=name))
    return facts


class per_file(Generic[T]):  # a decorator
    """Remembers a function's answer, or its MediaError, for a file until its size or time of change differs."""

    def __init__(self, function: Callable[[Path], T]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._kept: OrderedDict[tuple[str, int, int, int], T | MediaError] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, path: str | Path) -> T:
        key = _key(path)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return _answer(self._kept[key])
        answer: T | MediaError
        try:
            answer = self._function(Path(path))
        except MediaError as error:
            answer = error
        self._keep(key, answer)
        return _answer(answer)

    def keep(self, path: str | Path, answer: T) -> None:
        """Remember what is known of a file without another look, as after a rename."""
        self._keep(_key(path), answer)

    def _keep(self, key: tuple[str, int, int, int], answer: T | MediaError) -> None:
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)


def _key(path: str | Path) -> tuple[str, int, int, int]:
    facts = regular(path)
    return os.fspath(path), facts.st_ino, facts.st_size, facts.st_mtime_ns


def _answer(answer: T | MediaError) -> T:
    if isinstance(answer, MediaError):
        # A fresh exception: a raised one would keep the frames of its first caller alive.
        raise MediaError(*answer.args)
    return answer


def need_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFull when `folder` has less than `needed_bytes` free."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DiskFull(folder, needed_bytes, free)

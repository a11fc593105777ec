"""Every place where a process touches the disk, as points at which a test may kill it or make it fail."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.queue.sqlite_shim import FULL as SQLITE_FULL
from tests.queue.sqlite_shim import IOERR_FSYNC, IOERR_WRITE, OK, shimmed

Watch = Callable[[str, str, str], None]
"""(when, operation, path): may kill the process, or raise OSError when it is 'before'."""


class _WatchedFile(io.FileIO):
    """A file whose writes pass the watcher."""

    watch: Watch

    def write(self, data: Any) -> int:
        name = str(self.name)
        self.watch("before", "write", name)
        size = super().write(data)
        self.watch("after", "write", name)
        return size


@contextmanager
def watched_os(root: Path, watch: Watch) -> Iterator[None]:
    """Pass writes, fsyncs, renames, unlinks and mkdirs of Python code below `root` through `watch`."""
    saved: list[tuple[Any, str, Any]] = []

    def inside(path: object) -> bool:
        return isinstance(path, str | os.PathLike) and str(path).startswith(str(root))

    def wrap(module: Any, name: str, operation: str, path_of: Callable[..., object]) -> None:
        real = getattr(module, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            path = path_of(*args)
            if not inside(path):
                return real(*args, **kwargs)
            watch("before", operation, str(path))
            result = real(*args, **kwargs)
            watch("after", operation, str(path))
            return result

        saved.append((module, name, real))
        setattr(module, name, wrapper)

    real_open = io.open

    def open_watched(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if mode != "wb" or not inside(file):
            return real_open(file, mode, *args, **kwargs)
        watch("before", "create", str(file))
        raw = _WatchedFile(file, "wb", opener=kwargs.get("opener"))
        raw.watch = watch
        return io.BufferedWriter(raw)

    wrap(os, "fsync", "fsync", lambda fd: str(Path(f"/proc/self/fd/{fd}").readlink()))
    wrap(os, "replace", "rename", lambda _source, target, **_: target)
    wrap(os, "rename", "rename", lambda _source, target, **_: target)
    wrap(os, "mkdir", "mkdir", lambda path, *_: path)
    wrap(os, "unlink", "unlink", lambda path, **_: path)
    saved += [(io, "open", real_open), (builtins, "open", real_open)]
    io.open = builtins.open = open_watched  # type: ignore[assignment]
    try:
        yield
    finally:
        for module, name, real in saved:
            setattr(module, name, real)


@contextmanager
def watched_disk(root: Path, watch: Watch) -> Iterator[None]:
    """Like `watched_os`, and SQLite's own writes and syncs too; errors become SQLite's."""

    def hook(when: str, operation: str, path: str) -> int:
        try:
            watch(when, f"sqlite-{operation}", path)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return SQLITE_FULL
            return IOERR_FSYNC if operation == "sync" else IOERR_WRITE
        return OK

    with ExitStack() as stack:
        stack.enter_context(shimmed(hook))
        stack.enter_context(watched_os(root, watch))
        yield


class Counter:
    """Counts points; at one of them it does something, once."""

    def __init__(self, at: int | None = None, act: Callable[[str], None] = lambda _: None) -> None:
        self.at, self.act = at, act
        self.names: list[str] = []

    def __call__(self, when: str, operation: str, path: str) -> None:
        name = f"{when} {operation} {Path(path).name}"
        self.names.append(name)
        if self.at == len(self.names) - 1:
            self.act(name)


def kill_me(_name: str) -> None:
    """Die as on `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)

"""A default VFS for SQLite that lets a test stand before and after each write and sync of the real one.

Built with ctypes on the very library that Python's sqlite3 module uses, so nothing of the queue is replaced.
"""

from __future__ import annotations

import ctypes
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path

OK = 0
FULL = 13
IOERR_WRITE = 10 | (3 << 8)
IOERR_FSYNC = 10 | (4 << 8)

Hook = Callable[[str, str, str], int]
"""(when, operation, path) -> OK, or the error code that SQLite is to see instead of the operation."""


class _Methods(Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = [("version", c_int)] + [(f"x{index}", c_void_p) for index in range(18)]


class _File(Structure):
    _fields_ = [("methods", POINTER(_Methods))]


class _Vfs(Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = [
        ("version", c_int),
        ("os_file_size", c_int),
        ("max_pathname", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("app_data", c_void_p),
        ("open", c_void_p),
    ] + [(f"x{index}", c_void_p) for index in range(14)]


_CLOSE, _WRITE, _TRUNCATE, _SYNC = "x0", "x2", "x3", "x4"
_OPEN_TYPE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_WRITE_TYPE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE_TYPE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC_TYPE = CFUNCTYPE(c_int, c_void_p, c_int)


def _library() -> ctypes.CDLL:
    """The shared library behind `import sqlite3`, else the module or program it is linked into."""
    assert sqlite3.sqlite_version
    maps = Path("/proc/self/maps").read_text()
    names = [*re.findall(r"(/\S*libsqlite3\S*)", maps), *re.findall(r"(/\S*_sqlite3\S*\.so)", maps)]
    for name in [*names, None]:
        library = ctypes.CDLL(name)
        if hasattr(library, "sqlite3_vfs_find"):
            return library
    raise RuntimeError("this Python's SQLite cannot be reached")


class Shim:
    """While installed, every new connection of this process goes through `hook`."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self._library = _library()
        self._library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self._real = self._library.sqlite3_vfs_find(None)
        self._paths: dict[int, str] = {}
        self._tables: list[_Methods] = []
        self._table: _Methods | None = None
        self._vfs = _Vfs()
        ctypes.memmove(byref(self._vfs), self._real, ctypes.sizeof(_Vfs))
        self._vfs.name = b"shim"
        self._vfs.next = None
        self._keep = [_OPEN_TYPE(self._open)]
        self._vfs.open = cast(self._keep[0], c_void_p)
        self._real_open = _OPEN_TYPE(self._real.contents.open)

    def install(self) -> None:
        """Make the shim the default VFS."""
        self._library.sqlite3_vfs_register(byref(self._vfs), 1)

    def remove(self) -> None:
        """Make the real VFS the default again; connections must be closed before."""
        self._library.sqlite3_vfs_register(self._real, 1)
        self._library.sqlite3_vfs_unregister(byref(self._vfs))

    def _open(self, _vfs: int, name: int, file: int, flags: int, out_flags: int) -> int:
        result = self._real_open(cast(self._real, c_void_p).value, name, file, flags, out_flags)
        if result == OK and name:
            self._paths[file] = os.fsdecode(ctypes.string_at(name))
            held = cast(file, POINTER(_File)).contents
            held.methods = ctypes.pointer(self._wrapped(held.methods.contents))
        return result

    def _wrapped(self, real: _Methods) -> _Methods:
        """A copy of the method table whose writes and syncs pass the hook."""
        table = _Methods()
        ctypes.memmove(byref(table), byref(real), ctypes.sizeof(_Methods))
        write, truncate, sync = (
            _WRITE_TYPE(getattr(real, _WRITE)),
            _TRUNCATE_TYPE(getattr(real, _TRUNCATE)),
            _SYNC_TYPE(getattr(real, _SYNC)),
        )
        callbacks = (
            _WRITE_TYPE(lambda file, *rest: self._pass("write", file, write, rest)),
            _TRUNCATE_TYPE(lambda file, *rest: self._pass("truncate", file, truncate, rest)),
            _SYNC_TYPE(lambda file, *rest: self._pass("sync", file, sync, rest)),
        )
        for slot, callback in zip((_WRITE, _TRUNCATE, _SYNC), callbacks, strict=True):
            setattr(table, slot, cast(callback, c_void_p))
        self._keep += [*callbacks, write, truncate, sync]
        self._tables.append(table)
        return table

    def _pass(self, operation: str, file: int, real: Callable[..., int], rest: tuple[int, ...]) -> int:
        path = self._paths.get(file, "")
        refused = self.hook("before", operation, path)
        if refused != OK:
            return refused
        result = real(file, *rest)
        self.hook("after", operation, path)
        return result


@contextmanager
def shimmed(hook: Hook) -> Iterator[Shim]:
    """Install a shim for a block; close all connections inside it."""
    shim = Shim(hook)
    shim.install()
    try:
        yield shim
    finally:
        shim.remove()

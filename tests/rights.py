"""A folder in which nothing can be written, also where the tests run as the administrator."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION_3 = 0x20080522
_PASSES_EVERY_DOOR = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, see capabilities(7)."""
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Everything in `folder` can be read and nothing written while the block runs, by threads that begin in it too."""
    everything = [folder, *folder.rglob("*")]
    before = [(one, one.stat().st_mode & 0o777) for one in everything]
    for one in everything:
        one.chmod(0o500 if one.is_dir() else 0o400)
    try:
        with _without_privilege():
            yield
    finally:
        for one, mode in before:
            if one.exists():
                one.chmod(mode)


@contextmanager
def _without_privilege() -> Iterator[None]:
    """This thread goes by the rights of files, as everybody else does."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted and inheritable, for the lower and the upper 32 capabilities.
    sets = (ctypes.c_uint32 * 6)()
    assert _libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] = before & ~_PASSES_EVERY_DOOR
    assert _libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert _libc.capset(header, sets) == 0

"""Keeps the process's heap flat over a long job; knows the C library, not what is allocated."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's names for `mallopt`."""

LARGE_BYTES = 4 << 20
MOST_BYTES = 32 << 20
"""Where glibc's own growing threshold ends."""


@contextmanager
def flat_heap() -> Iterator[None]:
    """While inside, buffers of 4 MiB and more go back to the system as soon as they are freed.

    Left to itself glibc learns to keep buffers of up to 32 MiB on a heap that fragments: a decode of many pieces
    then peaks higher, and differently each time. Without glibc this does nothing.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        yield
        return
    _set_thresholds(set_option, LARGE_BYTES)
    try:
        yield
    finally:
        _set_thresholds(set_option, MOST_BYTES)


def _set_thresholds(set_option: object, num_bytes: int) -> None:
    assert callable(set_option)
    set_option(M_MMAP_THRESHOLD, num_bytes)
    set_option(M_TRIM_THRESHOLD, num_bytes)

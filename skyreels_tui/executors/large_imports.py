"""Importing large libraries beside a screen that must not stand still; knows no library."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """While inside, nothing looks for garbage; what has been loaded then is never looked through again.

    Looking through everything holds all threads: up to 0.28 s with torch and diffusers, several times while they are
    imported and every few steps afterwards. Only for what lives as long as the process: a reference cycle that is
    garbage at the end stays.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

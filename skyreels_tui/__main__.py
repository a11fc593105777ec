"""The door of the program: `skyreels-tui` and `python -m skyreels_tui`; says when another `pipelines` is in the way."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def start() -> NoReturn:
    """Run the command line and end with its exit code."""
    leave_process(_run())


def _run() -> int:
    if not _ours():
        # Our own sentences are in the package that is hidden, so this one has no translation.
        found = importlib.util.find_spec("pipelines")
        places = list(found.submodule_search_locations or [found.origin or ""]) if found else []
        sys.stderr.write(
            f"skyreels-tui: another package named 'pipelines' is in the way: {', '.join(map(repr, places))};"
            " take its folder out of PYTHONPATH, or install skyreels-tui into an environment of its own\n"
        )
        return 1
    # What is loaded stays, so that nobody has to look it through for garbage: not now, and never again.
    gc.disable()
    from skyreels_tui.cli import main

    gc.freeze()
    gc.enable()
    return main()


def leave_process(code: int) -> NoReturn:
    """Leave the process: an interpreter that ends takes every object apart, and aborts around a thread that imports."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # What could not be written was told before.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _ours() -> bool:
    """Whether the package `pipelines` that Python finds is the one of this program."""
    try:
        return importlib.util.find_spec("pipelines.front") is not None
    except ImportError:
        # A module of that name, or none at all, in the place of the package.
        return False


if __name__ == "__main__":
    start()

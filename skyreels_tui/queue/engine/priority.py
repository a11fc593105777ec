"""Lets the screen have the processor first: computing threads wait a little, keys do not."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

NICENESS = 5
"""Of 19. On a free core it costs nothing; on a busy one the screen is served first, and jobs still get their share."""


def compute_in_background() -> None:
    """Lower the priority of the calling thread, and of every thread and program that it starts from here on.

    Linux only: elsewhere niceness belongs to the whole process, the screen included.
    """
    if sys.platform == "linux":
        # A container may refuse; then the job runs like everything else.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

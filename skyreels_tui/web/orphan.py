"""The process of a tab ends when the server dies without a word; knows nothing of either."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Get SIGTERM, which stops a job at its step edge, when the process `parent` that started this one has gone.

    Linux alone has such a promise; elsewhere the next write into the closed pipe ends this process.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It had gone before anything was promised.
        os.kill(os.getpid(), signal.SIGTERM)

"""Gives the terminal back to the shell while this process goes on: what Ctrl+Z and `bg` do; ends no engine."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

from skyreels_tui.queue.engine.signals import detach_from_terminal

CONTINUE = """
tries=0
while [ $tries -lt 40 ]; do
    read -r line < /proc/$1/stat || exit
    case "$line" in *") T "*) sleep 0.2; break ;; esac
    sleep 0.05; tries=$((tries + 1))
done
kill -s CONT -- "-$2"
"""
"""Wakes a process group once its first argument has stopped and the shell has had time to see it."""


def go_on_in_background() -> None:
    """Let go of the terminal once the app has left it; a shell that waits for this process shows its prompt again.

    Without a shell that has job control, as in a pane of its own, nobody waits for the terminal, and nothing stops.
    """
    if _in_foreground():
        group = os.getpgrp()
        # In a session of its own: it must not stop with the group that it wakes.
        with suppress(OSError):
            subprocess.Popen(
                ["/bin/sh", "-c", CONTINUE, "sh", str(os.getpid()), str(group)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            os.killpg(group, signal.SIGTSTP)
    detach_from_terminal()


def _in_foreground() -> bool:
    """Whether the terminal waits for this process's group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)

"""A terminal that stops taking or giving ends neither the thread that writes to it nor leaves a program without one.

Textual's writer ends on the first error of its file, and the event loop then waits for it for ever; its reader asks a
terminal that has gone again and again. Knows nothing of what is drawn.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from threading import Thread

from textual.driver import Driver
from textual.drivers._writer_thread import WriterThread

LATE_S = 0.5
"""How long one wait for a terminal that takes no more may be before it is asked again."""


class LastingWriter(WriterThread):
    """Writes what is queued, waits while the terminal takes no more, and drops what a lost one cannot take."""

    def run(self) -> None:
        """Write until `stop`."""
        descriptor, encoding = self._file.fileno(), getattr(self._file, "encoding", None) or "utf-8"
        while (text := self._queue.get()) is not None:
            # A terminal that is gone answers every write with an error: what was drawn for it is dropped.
            with suppress(OSError):
                _write_whole(descriptor, text.encode(encoding, "replace"))


def _write_whole(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            # Another program on the same terminal has made it non-blocking.
            select.select([], [descriptor], [], LATE_S)


def outlast(driver: type[Driver]) -> None:
    """Give the terminals that `driver` will open the writer that lasts: it offers no other place for that."""
    names = vars(sys.modules[driver.__module__])
    if "WriterThread" in names:
        names["WriterThread"] = LastingWriter


def hang_up_when_gone() -> None:
    """Send this process SIGHUP once its terminal has gone, which the kernel only does for some of its processes.

    Under `nohup`, where that means nothing, it is SIGTERM: without a terminal nobody can end the program by a key.
    """
    terminals = [descriptor for descriptor in (0, 2) if os.isatty(descriptor)]
    if terminals:
        Thread(target=_wait_for_the_end, args=(terminals,), name="terminal", daemon=True).start()


def _wait_for_the_end(descriptors: list[int]) -> None:
    poll = select.poll()
    for descriptor in descriptors:
        # No event is asked for: the end of a terminal is always told, and nothing else wakes this thread.
        poll.register(descriptor, 0)
    poll.poll()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM if ignored else signal.SIGHUP)

"""One file in the inbox: whether it has arrived whole, and its way to done or rejected with a report beside it."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.front.durable import make_folder, sync, write_whole
from skyreels_tui.words.safe_text import safe

SUFFIXES = (".json", ".md", ".markdown")
_NAME_BYTES = 200
"""Of a name that may be 255 bytes long, what leaves room for a number and the report's ending."""
_NO_LEASE_FACTOR = 5
"""How much longer a file must lie still where the filesystem cannot say whether it is open for writing."""


class Arrival:
    """Watches one file arrive; what date the file bears says nothing, for the clock may have been set."""

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._path, self._now = path, now
        self._last: tuple[int, int, int] | None = None
        self._since = 0.0

    def is_whole(self, quiet_s: float) -> bool:
        """True when nobody has it open for writing and it has been seen to lie still for `quiet_s`."""
        facts = self._path.stat()
        now = self._now()
        state = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if state != self._last:
            self._last, self._since = state, now
        writing = _open_for_writing(self._path)
        if writing:
            # The quiet time begins when the writer has closed it.
            self._since = now
            return False
        needed = quiet_s * (_NO_LEASE_FACTOR if writing is None else 1)
        return now - self._since >= needed


def is_batch(path: Path) -> bool:
    """True for an ordinary file with the ending of a batch; hidden files are somebody's temporary ones."""
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def put_away(path: Path, folder: Path, report: Sequence[str]) -> Path:
    """Move `path` into `folder` under a name that is free there; its report is there first. Returns the new path."""
    make_folder(folder, private=False)
    target, beside = _free(folder, path.name)
    text = "\n".join(safe(line) for line in report) + "\n"
    write_whole(beside, text.encode("utf-8", "backslashreplace"), private=False)
    path.rename(target)
    sync(folder)
    return target


def _free(folder: Path, name: str) -> tuple[Path, Path]:
    """A name for the file and one for its report, both unused."""
    suffix = Path(name).suffix
    stem = os.fsdecode(os.fsencode(Path(name).stem)[:_NAME_BYTES])
    number = 1
    while True:
        target = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        beside = target.with_name(f"{target.name}.txt")
        if not os.path.lexists(target) and not os.path.lexists(beside):
            return target, beside
        number += 1


def _open_for_writing(path: Path) -> bool | None:
    """Ask the kernel for a read lease, which it refuses while there is a writer; None where it gives none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A writer that comes in this instant sends us a signal: one that is ignored by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno in (errno.EAGAIN, errno.EACCES) and _is_ours(descriptor) else None
    finally:
        os.close(descriptor)
    return False


def _is_ours(descriptor: int) -> bool:
    """Leases on other people's files are refused whatever they do with them."""
    return os.fstat(descriptor).st_uid == os.geteuid()

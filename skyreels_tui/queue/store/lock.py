"""The owner's lock: whoever holds it runs jobs; the kernel drops it however the process dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from pipelines.front.documents import plain_number


class OwnerLock:
    """An exclusive `flock` on a file that is never unlinked: a new file would be a second lock."""

    def __init__(self, path: Path) -> None:
        """`path` is created when it does not exist."""
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """True while this process owns the queue."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Try to become owner; returns at once, False when another process is."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        # For people who look: the lock is the kernel's, the number is only a hint.
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def is_held_elsewhere(self) -> bool:
        """Whether another process holds it; asks the kernel, not the number in the file."""
        if self._descriptor is not None:
            return False
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(descriptor)
        return False

    def release(self) -> None:
        """Stop being owner."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def owner_pid(self) -> int | None:
        """Process id that the last owner wrote, for messages only."""
        try:
            text = self.path.read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
        return plain_number(text.strip())

    def living_owner_pid(self) -> int | None:
        """That process, as long as one with its number lives; None otherwise."""
        if self.held:
            return os.getpid()
        pid = self.owner_pid()
        return pid if pid is not None and _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

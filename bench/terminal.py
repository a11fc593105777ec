"""A program in a pseudo-terminal, driven and read from outside; shared by the terminal benchmarks."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def usual_environ(home: str) -> dict[str, str]:
    """The environment of a start on any day but the first: settings and queue under `home`, byte code kept."""
    environ = {**os.environ, "SKYREELS_TUI_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


class Terminal:
    """Runs a command in a pty of a given size and collects what it writes."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int = 120, rows: int = 36) -> None:
        self.started = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environ))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.seen = bytearray()

    def read(self, timeout_s: float) -> bytes:
        """What arrives within `timeout_s`; empty when nothing does."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return b""
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            return b""
        self.seen += data
        return data

    def wait_for(self, text: bytes, timeout_s: float) -> float:
        """Read until `text` has been written; seconds since the start of the program."""
        deadline = time.perf_counter() + timeout_s
        start = len(self.seen)
        while text not in self.seen[max(0, start - len(text)) :]:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{text!r} was not written within {timeout_s} s: {bytes(self.seen[-2000:])!r}")
            self.read(0.02)
        return time.perf_counter() - self.started

    def settle(self, quiet_s: float = 0.3, timeout_s: float = 20.0) -> None:
        """Read until nothing has come for `quiet_s`."""
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline and self.read(quiet_s):
            pass

    def cpu_seconds(self) -> float:
        """Processor time that the program has used: what a wall clock shows on an idle machine, or a bit more."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident memory of the program now, in megabytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6

    def send(self, keys: bytes) -> None:
        """Type."""
        os.write(self._fd, keys)

    def close(self) -> None:
        """End the program and reap it."""
        try:
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.perf_counter() + 20
            while time.perf_counter() < deadline:
                self.read(0.05)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return
        finally:
            os.close(self._fd)

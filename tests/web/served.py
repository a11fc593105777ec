"""A real `serve` in a process of its own, and what its processes are."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WAIT_S = 40.0


@dataclass
class Served:
    """A server that runs."""

    port: int
    address: str
    """As printed, with the token."""
    home: Path
    process: subprocess.Popen[str]

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def apps(self) -> list[int]:
        """Numbers of the processes behind its tabs."""
        return [pid for pid, (state, parent) in processes().items() if parent == self.process.pid and state != "Z"]


def processes() -> dict[int, tuple[str, int]]:
    """State and parent of every process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            found[int(stat.parent.name)] = (state, int(parent))
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Served]:
    """Run `serve` on a free port until the block ends."""
    port = free_port()
    environ = {**os.environ, "SKYREELS_TUI_HOME": str(home), "HOME": str(home), "LC_ALL": "C.UTF-8"}
    words = ["serve", "--port", str(port), "--result-dir", str(home / "result"), *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "skyreels_tui", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = ""
        while "token=" not in said:
            ready, _, _ = select.select([process.stderr], [], [], WAIT_S)
            line = process.stderr.readline() if ready else ""
            assert line, f"serve said no address: {said}"
            said += line
        address = re.search(r"https?://\S+token=\S+", said)
        assert address is not None
        yield Served(port, address[0], home, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_S)
        finally:
            process.kill()
            process.stderr.close()  # type: ignore[union-attr]

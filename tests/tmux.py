"""Real tmux servers of a test's own, each on its own socket, one inside the other where a test wants that."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.terminal import ANOTHER_TERMINALS, WAIT_S, Terminal

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_numbers = count()


def socket_folder() -> Path:
    """A new folder for sockets, whose names may have about a hundred letters: a test's own folder is often longer."""
    places = ("/tmp", tempfile.gettempdir(), "/var/tmp", "/dev/shm")
    return Path(tempfile.mkdtemp(prefix="tmux-", dir=next(place for place in places if os.access(place, os.W_OK))))


class Tmux:
    """One server, with the configuration file that a person would have."""

    def __init__(self, folder: Path, configuration: str = "") -> None:
        self._sockets = socket_folder()
        self._socket = str(self._sockets / "server")
        self._file = folder / f"tmux-{next(_numbers)}.conf"
        self._file.write_text(configuration)

    @property
    def words(self) -> list[str]:
        """Begins a session in the terminal; the words of the program that runs in it follow."""
        return ["env", "-u", "TMUX", "tmux", "-S", self._socket, "-f", str(self._file), "new-session", "--"]

    def ask(self, *words: str) -> str:
        """What a command of this server answers; '' when it cannot."""
        environ = {name: value for name, value in os.environ.items() if name not in ANOTHER_TERMINALS}
        done = subprocess.run(["tmux", "-S", self._socket, *words], capture_output=True, text=True, env=environ)
        return done.stdout if done.returncode == 0 else ""

    def until(self, terminal: Terminal, condition: Callable[[], object]) -> None:
        """Read what the terminal receives until the condition holds."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, "\n".join(terminal.lines)
            terminal.read_some(0.05)

    def end(self) -> None:
        """End the server with all that runs in it."""
        self.ask("kill-server")
        shutil.rmtree(self._sockets, ignore_errors=True)

"""Real tmux servers of a test's own, each on its own socket, one inside the other where a test wants that."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.terminal import ANOTHER_TERMINALS, WAIT_S, Terminal

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_numbers = count()


class Tmux:
    """One server, with the configuration file that a person would have."""

    def __init__(self, folder: Path, configuration: str = "") -> None:
        # A socket below a test's folder could have a longer name than a socket may have.
        self._name = f"skyreels-test-{os.getpid()}-{next(_numbers)}"
        self._file = folder / f"{self._name}.conf"
        self._file.write_text(configuration)

    @property
    def words(self) -> list[str]:
        """Begins a session in the terminal; the words of the program that runs in it follow."""
        return ["env", "-u", "TMUX", "tmux", "-L", self._name, "-f", str(self._file), "new-session", "--"]

    def ask(self, *words: str) -> str:
        """What a command of this server answers; '' when it cannot."""
        environ = {name: value for name, value in os.environ.items() if name not in ANOTHER_TERMINALS}
        done = subprocess.run(["tmux", "-L", self._name, *words], capture_output=True, text=True, env=environ)
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

"""The service under a real systemd of a user, where root may start one beside whatever runs this machine.

Elsewhere these tests are skipped, and `test_service.py` alone says what is asked of systemd, against recorded commands.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.system.service import STOP_S, UNIT, unit_text

SYSTEMD = Path("/lib/systemd/systemd")
WAIT_S = 170.0
"""Two starts of the engine and the unit's ten seconds between them, on a busy machine."""
BOOTED = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"'
"""A user's systemd looks for that of the system: in this mount namespace alone it finds what it looks for."""
IN_A_LONG_STEP = """
import signal, sys
def asked(*_):
    open(sys.argv[1]).read()
    sys.exit(int(sys.argv[2]))
signal.signal(signal.SIGTERM, asked)
open(sys.argv[1]).read()
while True:
    signal.pause()
"""
"""A process that is there once its pipe has been written to, and that ends only when that happens again."""


class Machine:
    """A home, and a systemd that serves it in a mount namespace of its own."""

    def __init__(self, folder: Path) -> None:
        # The names of sockets may have about a hundred letters: a test's own folder is often longer.
        self.runtime = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
        self.units = folder / "config" / "systemd" / "user"
        self.environ = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "SKYREELS_TUI_HOME": str(folder / "home"),
        }
        self._systemd = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", BOOTED, "sh", SYSTEMD, "--user"],
            env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def serves(self) -> bool:
        """Wait until it answers; False where this system lets no such systemd run."""
        while self._systemd.poll() is None:
            if self.run("systemctl", "--user", "show", "--property", "Version").returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the systemd is."""
        inside = ["nsenter", f"--mount=/proc/{self._systemd.pid}/ns/mnt", f"--wdns={self.environ['HOME']}"]
        return subprocess.run([*inside, *words], env=self.environ, capture_output=True, text=True, timeout=WAIT_S)

    def program(self, *words: str) -> str:
        """What the program says; it must not fail."""
        done = self.run(sys.executable, "-m", "skyreels_tui", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, str]:
        return json.loads(self.program("service", "status", "--json"))

    def unit(self, *names: str) -> list[str]:
        """Properties of the unit, in systemd's own order."""
        return self.run("systemctl", "--user", "show", UNIT, "--value", *(f"-p{name}" for name in names)).stdout.split()

    def job(self) -> str:
        """The state of the only job."""
        (job,) = json.loads(self.program("list", "--json"))
        return job["status"]

    def close(self) -> None:
        """End it with all that it serves."""
        self._systemd.terminate()
        self._systemd.wait(WAIT_S)
        shutil.rmtree(self.runtime, ignore_errors=True)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if os.geteuid() != 0 or not SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter", "systemctl"))):
        pytest.skip("no systemd that root may start")
    machine = Machine(tmp_path)
    try:
        if not machine.serves():
            pytest.skip("no systemd of a user can run here")
        yield machine
    finally:
        machine.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def is_there(process: str) -> bool:
    return Path("/proc", process).exists()


def test_the_service_survives_a_kill_ends_its_job_and_leaves_nothing(machine: Machine, picture: Path) -> None:
    machine.program("add", "--profile", "demo", "--ref_imgs", str(picture), "--prompt", "x")
    machine.program("service", "install")
    until(lambda: machine.job() == "running")
    first = machine.status()["MainPID"]
    os.kill(int(first), signal.SIGKILL)
    until(lambda: machine.status()["NRestarts"] == "1" and machine.status()["MainPID"] not in ("0", first))
    until(lambda: machine.job() == "done")
    second = machine.status()["MainPID"]
    assert is_there(second) and not is_there(first)

    machine.program("service", "remove")
    until(lambda: not is_there(second))
    assert [path for path in machine.units.rglob("*") if UNIT in path.name] == []
    # The process is gone a moment before systemd has heard of it.
    until(lambda: machine.unit("LoadState", "ActiveState") == ["not-found", "inactive"])


@pytest.mark.parametrize(("code", "left"), [(Exit.CANCELLED, "inactive"), (Exit.FAILED, "failed")])
def test_a_removed_service_has_its_time_to_end_in(machine: Machine, tmp_path: Path, code: Exit, left: str) -> None:
    program, pipe = tmp_path / "program.py", tmp_path / "pipe"
    program.write_text(IN_A_LONG_STEP)
    os.mkfifo(pipe)
    machine.units.mkdir(parents=True)
    words = [sys.executable, str(program), str(pipe), str(code.value)]
    (machine.units / UNIT).write_text(unit_text(words, machine.environ))
    machine.run("systemctl", "--user", "start", UNIT)
    pipe.write_text("")

    said = machine.program("service", "remove")
    (process,) = machine.unit("MainPID")
    assert f"process {process} still runs" in said and is_there(process)
    # A process that is given less than it was promised is killed in the middle of its step.
    assert machine.unit("TimeoutStopUSec") == [f"{STOP_S // 60}min"]
    pipe.write_text("")
    until(lambda: machine.unit("ActiveState") == [left])


def test_a_service_that_failed_before_is_forgotten_too(machine: Machine) -> None:
    machine.units.mkdir(parents=True)
    text = unit_text(["/no/such/program"], machine.environ)
    # As after its last attempt, which would come in a minute.
    (machine.units / UNIT).write_text(text.replace("Restart=on-failure", "Restart=no"))
    machine.run("systemctl", "--user", "start", UNIT)
    assert machine.unit("ActiveState") == ["failed"]
    machine.program("service", "remove")
    until(lambda: machine.unit("LoadState", "ActiveState") == ["not-found", "inactive"])

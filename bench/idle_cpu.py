"""Processor time of the whole app: idle, and with all panels fed once a second; `python bench/idle_cpu.py [SECONDS]`.

The app runs on a real terminal (a pty that is read and thrown away) with the scripted executor, in a process of its
own. With btop on the PATH, it is measured in the same way for comparison.
"""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

CHILD = """
import sys
from pathlib import Path
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.app.session import run_app
from skyreels_tui.settings.settings import Settings
folders = find_folders()
folders.create()
if sys.argv[1] == "busy":
    store = open_store(folders.database)
    store.add(NewJob(ReferenceToVideo(prompt="a", ref_imgs=(sys.argv[2],), resolution="720P"), "corridor-A"))
    store.close()
executor = FakeExecutor(Script(num_steps=200, step_s=5.0, preview=True))
run_app(Services(folders, Settings(), folders.state / "result", lambda: executor), print)
"""
SAMPLE = Path(__file__).parents[1] / "pipelines" / "demo" / "samples" / "astronaut.jpg"
SETTLE_S = 8.0
COLUMNS, LINES = 120, 40


def measure(command: list[str], seconds: float, environ: dict[str, str]) -> float:
    """Percent of one core that `command` and its children take on a terminal nobody types at."""
    end, inside = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environ, start_new_session=True)
    os.close(inside)
    threading.Thread(target=_drain, args=(end,), daemon=True).start()
    try:
        time.sleep(SETTLE_S)
        before, began = _cpu_seconds(process.pid), time.monotonic()
        time.sleep(seconds)
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself with {process.returncode}")
        return 100 * (_cpu_seconds(process.pid) - before) / (time.monotonic() - began)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _drain(end: int) -> None:
    try:
        while os.read(end, 65536):
            pass
    except OSError:
        return


def _cpu_seconds(pid: int) -> float:
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return sum(entry.user + entry.system for entry in times)


def main() -> None:
    """Print one line a case."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    for case in ("idle", "busy"):
        with tempfile.TemporaryDirectory() as home:
            environ = {**os.environ, "SKYREELS_TUI_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            environ["PYTHONPATH"] = str(Path(__file__).parents[1])
            percent = measure([sys.executable, "-c", CHILD, case, str(SAMPLE)], seconds, environ)
        print(f"{case:<5} {percent:5.2f} % of one core over {seconds:.0f} s")
    if shutil.which("btop"):
        environ = {**os.environ, "TERM": "xterm-256color"}
        print(f"btop  {measure(['btop'], seconds, environ):5.2f} %")
    else:
        print("btop  not installed")


if __name__ == "__main__":
    main()

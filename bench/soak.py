"""Memory of the owner, a viewer and a lone panel while 1 000 short jobs run; `python bench/soak.py [JOBS] [PANEL]`.

The owner is `run` with the scripted executor; viewer and panel run on real terminals (ptys that are read and thrown
away), each in a process of its own. Prints one line for every tenth of the jobs.
"""

from __future__ import annotations

import os
import pty
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob

OWNER = """
import sys
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor, Script
script = Script(num_steps=4, step_s=0.02, preview=True)
sys.exit(main(["run", "--stay", "--progress", "none"], executor=lambda: FakeExecutor(script)))
"""
SAMPLE = ROOT / "pipelines" / "demo" / "samples" / "astronaut.jpg"
SETTLE_S = 8.0
COLUMNS, LINES = 120, 40


@contextmanager
def on_terminal(environ: dict[str, str], *words: str) -> Iterator[int]:
    """Run the program with `words` on a terminal nobody types at; yields its process id."""
    import fcntl
    import termios

    end, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "skyreels_tui", *words]
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environ, start_new_session=True)
    os.close(inside)
    threading.Thread(target=_drain, args=(end,), daemon=True).start()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _drain(end: int) -> None:
    try:
        while os.read(end, 65536):
            pass
    except OSError:
        return


def resident_mb(pid: int) -> float:
    """VmRSS in MB (10^6 bytes)."""
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def done(folders: Folders) -> int:
    """How many jobs are done."""
    with closing(sqlite3.connect(f"file:{folders.database}?mode=ro", uri=True)) as database:
        [(count,)] = database.execute("SELECT count(*) FROM jobs WHERE state = 'done'")
    return int(count)


def soak(jobs: int, panel: str, home: str) -> None:
    """Let all jobs run, and print what each process holds on the way."""
    environ = {**os.environ, "SKYREELS_TUI_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    environ["PYTHONPATH"] = str(ROOT)
    folders = find_folders(environ)
    folders.create()
    tenth = max(1, jobs // 10)
    store = open_store(folders.database)
    request = ReferenceToVideo(prompt="a", ref_imgs=(str(SAMPLE),), resolution="128P", profile="demo")
    store.add_many([NewJob(request, f"job {number}") for number in range(jobs)])
    store.close()
    owner = subprocess.Popen([sys.executable, "-c", OWNER], env=environ, cwd=home, stdout=subprocess.DEVNULL)
    try:
        with on_terminal(environ) as viewer, on_terminal(environ, "panel", panel) as alone:
            time.sleep(SETTLE_S)
            print(f"{'jobs':>5} {'seconds':>8} {'owner':>7} {'viewer':>7} {panel:>9}   VmRSS in MB", flush=True)
            began, wanted = time.monotonic(), 0
            while owner.poll() is None and wanted <= jobs:
                count = done(folders)
                if count >= wanted:
                    rss = [resident_mb(pid) for pid in (owner.pid, viewer, alone)]
                    seconds = time.monotonic() - began
                    print("{:5} {:8.0f} {:7.1f} {:7.1f} {:9.1f}".format(count, seconds, *rss), flush=True)
                    wanted = count - count % tenth + tenth
                time.sleep(0.25)
    finally:
        owner.kill()
        owner.wait()


def main() -> None:
    """Soak in a temporary home."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    panel = sys.argv[2] if len(sys.argv) > 2 else "progress"
    with tempfile.TemporaryDirectory() as home:
        soak(jobs, panel, home)


if __name__ == "__main__":
    main()

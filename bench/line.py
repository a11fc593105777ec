"""What a running job sends over the line, a second, under each screen; `python bench/line.py [SECONDS]`.

The app runs on a terminal of 80x24 with the scripted executor, in a process of its own, whose processor time is told
too. The job reports ten times a second, as one does that waits at its gate; `--tree DIR` measures other sources.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from terminal import Terminal, usual_environ

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "pipelines/demo/samples/astronaut.jpg"
CHILD = """
import sys
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.services import Services
from skyreels_tui.app.session import run_app
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.settings.settings import Settings
folders = find_folders()
folders.create()
store = open_store(folders.database)
for label in ("one", "two", "three"):
    store.add(NewJob(ReferenceToVideo(prompt="a", ref_imgs=(sys.argv[1],), resolution="128P", profile="demo"), label))
store.close()
run_app(Services(folders, Settings(), folders.state / "result", lambda: FakeExecutor(gated=True)), print)
"""
SCREENS = {
    "home": b"",
    "results": b"R",
    "help": b"?",
    "models": b"M",
    "the form": b"n",
    "the question of leaving": b"q",
}
"""What stands on the terminal -> the key that opens it from home; Esc leaves it."""
SETTLE_S = 2.0


def main() -> None:
    """Print a line a screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=10.0)
    parser.add_argument("--tree", type=Path, default=ROOT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        # Where it starts is looked for modules first.
        os.chdir(options.tree)
        environ = usual_environ(home) | {"PYTHONPATH": str(options.tree)}
        terminal = Terminal([sys.executable, "-c", CHILD, str(SAMPLE)], environ, 80, 24)
        try:
            terminal.wait_for(b"three", 30)
            for name, key in SCREENS.items():
                terminal.send(key)
                read_for(terminal, SETTLE_S)
                sent, before = len(terminal.seen), terminal.cpu_seconds()
                read_for(terminal, options.seconds)
                cpu_s = terminal.cpu_seconds() - before
                rate = (len(terminal.seen) - sent) / options.seconds
                print(f"{name:<26} {rate:8,.0f} bytes/s {100 * cpu_s / options.seconds:5.1f} % of a core", flush=True)
                terminal.send(b"\x1b" if key else b"")
                read_for(terminal, SETTLE_S)
        finally:
            terminal.close()


def read_for(terminal: Terminal, seconds: float) -> None:
    """Take what is written, as a terminal does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        terminal.read(left)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    main()

"""Milliseconds from a key to its paint while a demo job runs: N keys through a pty, p50 / p99 / max."""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from terminal import Terminal

from skyreels_tui.queue.engine import priority

RUN = """
import sys
from skyreels_tui.queue.engine import priority
priority.NICENESS = int(sys.argv.pop(1))
from skyreels_tui.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _row(job_id: int) -> re.Pattern[bytes]:
    """The cursor before the row of a job, with colours in between; redraws of other rows do not count."""
    return re.compile("▸".encode() + rb"(?:\x1b\[[0-9;]*m|\s)*" + str(job_id).encode() + rb"\s")


MOVES = ((b"j", _row(2)), (b"k", _row(1)))
SAMPLES = Path(__file__).resolve().parents[1] / "pipelines" / "demo" / "samples"


def main() -> None:
    """Queue demo jobs, open the app, move the cursor up and down while the first one runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--niceness", type=int, default=priority.NICENESS, help="of the thread that computes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "SKYREELS_TUI_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        command = [sys.executable, "-m", "skyreels_tui"]
        for number in range(args.jobs):
            job = ["add", "--task_type", "reference_to_video", "--ref_imgs", str(SAMPLES / "astronaut.jpg"), "--prompt"]
            job += ["a walk", "--profile", "demo", "--duration", "20", "--label", f"job {number}"]
            subprocess.run([*command, *job], env=environ, check=True, stdout=subprocess.DEVNULL)
        terminal = Terminal([sys.executable, "-c", RUN, str(args.niceness), "--result-dir", home], environ)
        try:
            terminal.wait_for(b"Queue", 60.0)
            # The step of the running job stands in its row once the engine is warm and at work.
            terminal.wait_for(b"/8", 300.0)
            times = [press(terminal, *MOVES[number % 2]) for number in range(args.keys)]
        finally:
            terminal.close()
    times.sort()
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, round(len(times) * 0.99))]
    print(
        f"{len(times)} keys, niceness {args.niceness}: p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, "
        f"max {times[-1] * 1e3:.1f} ms; load {os.getloadavg()[0]:.1f}"
    )


def press(terminal: Terminal, key: bytes, answer: re.Pattern[bytes]) -> float:
    """Seconds until the cursor has been drawn in its new row; keys come at any moment of the app's work."""
    deadline = time.perf_counter() + random.uniform(0.03, 0.12)
    while (left := deadline - time.perf_counter()) > 0:
        terminal.read(left)
    began = time.perf_counter()
    terminal.send(key)
    received = b""
    while not answer.search(received):
        if time.perf_counter() - began > 10:
            raise TimeoutError(f"no paint after {key!r}")
        received += terminal.read(0.005)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

"""Milliseconds from a key to its paint, N keys through a pty: nothing runs, then, in the same app, a demo job does.

Prints p50, p99 and the longest of both, and p50 and p99 beside a job as multiples of the idle p50, with their limits.
"""

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
import psutil
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
P50, P99 = 1.5, 4.0
"""Limits of the times beside a job, as multiples of the idle p50."""
SETTLE_S = 8.0
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
        subprocess.run([*command, "pause"], env=environ, check=True, stdout=subprocess.DEVNULL)
        terminal = Terminal([sys.executable, "-c", RUN, str(args.niceness), "--result-dir", home], environ)
        try:
            terminal.wait_for(b"Queue", 60.0)
            # What the first seconds load is no part of an idle app.
            time.sleep(SETTLE_S)
            terminal.settle()
            began = away()
            idle = sorted(press(terminal, *MOVES[number % 2]) for number in range(args.keys))
            idle_away = away() - began
            terminal.send(b"p")
            # The step of the running job stands in its row once the engine is warm and at work.
            terminal.wait_for(b"/8", 300.0)
            began = away()
            busy = sorted(press(terminal, *MOVES[number % 2]) for number in range(args.keys))
            busy_away = away() - began
        finally:
            terminal.close()
    tell("nothing runs", idle)
    tell(f"a job runs, niceness {args.niceness}", busy)
    for name, part, limit in (("p50", 0.5, P50), ("p99", 0.99, P99)):
        times = at(busy, part) / at(idle, 0.5)
        print(f"{name} beside a job {times:.1f} times the idle p50, at most {limit}: {said(times <= limit)}")
    print(f"load {os.getloadavg()[0]:.1f}, taken by the host {idle_away:.2f} s, then {busy_away:.2f} s of both cores")


def away() -> float:
    """Seconds for which a virtual machine's cores have been given to others since it began; 0 on a real one."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def at(times: list[float], part: float) -> float:
    """The time that this part of the sorted times does not exceed."""
    return times[min(len(times) - 1, round(len(times) * part))]


def tell(what: str, times: list[float]) -> None:
    """Print the figures of one half."""
    p50, p99, longest = (1e3 * seconds for seconds in (at(times, 0.5), at(times, 0.99), times[-1]))
    print(f"{what}: {len(times)} keys, p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {longest:.1f} ms")


def said(kept: bool) -> str:
    """A verdict in words."""
    return "kept" if kept else "NOT KEPT"


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

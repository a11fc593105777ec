"""Seconds from starting the interpreter to the home screen's first paint: median of N runs in a pty."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from terminal import Terminal


def main() -> None:
    """Run and print one line a run, then the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    seconds, processor = [], []
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "SKYREELS_TUI_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        # One run first: the byte code and the files are then as warm as on any day but the first.
        for run in range(args.runs + 1):
            terminal = Terminal([sys.executable, "-m", "skyreels_tui", "--result-dir", home], environ)
            try:
                taken = terminal.wait_for(b"Queue", 30.0)
                spent = terminal.cpu_seconds()
            finally:
                terminal.close()
            if run:
                seconds.append(taken)
                processor.append(spent)
                print(f"run {run}: {taken:.3f} s, processor {spent:.2f} s")
    print(
        f"first paint: median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s of {len(seconds)} runs; "
        f"processor time: median {statistics.median(processor):.2f} s; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()

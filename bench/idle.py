"""What the program takes while nobody types, against its limits: `python bench/idle.py [--runs 5] [--seconds 60]`.

One line a figure: memory of each panel alone, processor time of an idle app with a queue, the first paint against the
import of Textual in the same run, empty and with 10 000 jobs, and the seconds of `--help` and `list`. Run it on an
otherwise idle machine; the load is printed because it is part of every figure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from first_paint import fill
from idle_cpu import CHILD, SAMPLE, measure
from terminal import Terminal, usual_environ

from skyreels_tui.ui.panels import PANELS

SETTLE_S = 10.0
"""Sensors and forecast have been read by then."""
PANEL_MB, IDLE_PERCENT, PAINT, PAINT_FULL = 45.0, 0.5, 1.4, 1.6


def main() -> None:
    """Print one line a figure, with its limit where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long an idle app is watched")
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home:
        environ = usual_environ(home)
        environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        fill(Path(home), 10)
        for panel in PANELS:
            say(f"panel {panel.name}", panel_mb(panel.name, environ), "MB", PANEL_MB)
        say("idle with a queue", measure([sys.executable, "-c", CHILD, "idle", str(SAMPLE)], args.seconds, environ),
            "% of a core", IDLE_PERCENT)  # fmt: skip
        textual, paint = in_turns(environ, args.runs)
        say("import of Textual", textual, "s")
        say("first paint", paint / textual, "times that", PAINT)
        for words in (["--help"], ["list"]):
            seconds = median_s([sys.executable, "-m", "skyreels_tui", *words], environ, args.runs)
            say(f"skyreels-tui {words[0]}", seconds, "s")
        fill(Path(home), 10_000)
        textual, paint = in_turns(environ, args.runs)
        say("first paint, 10 000 jobs", paint / textual, "times that", PAINT_FULL)
    print(f"load {os.getloadavg()[0]:.1f}")


def say(what: str, figure: float, unit: str, limit: float | None = None) -> None:
    """Print a figure, and whether it keeps its limit."""
    verdict = "" if limit is None else f"   at most {limit}: {'kept' if figure <= limit else 'NOT KEPT'}"
    print(f"{what:<28}{figure:8.2f} {unit}{verdict}", flush=True)


def panel_mb(name: str, environ: dict[str, str]) -> float:
    """Resident memory of a panel alone once its threads have read everything."""
    terminal = Terminal([sys.executable, "-m", "skyreels_tui", "panel", name], environ)
    try:
        time.sleep(SETTLE_S)
        terminal.settle()
        return terminal.memory_mb()
    finally:
        terminal.close()


def in_turns(environ: dict[str, str], runs: int) -> tuple[float, float]:
    """Median seconds of the import of Textual, and until the first job is on the screen.

    One after the other in every run: a machine that is slower for a minute is so for both.
    """
    imports, paints = [], []
    for _ in range(runs + 1):
        imports.append(seconds_of([sys.executable, "-c", "import textual.app"], environ))
        terminal = Terminal([sys.executable, "-m", "skyreels_tui"], environ)
        try:
            paints.append(terminal.wait_for(b"clip-0", 30.0))
        finally:
            terminal.close()
    return statistics.median(imports[1:]), statistics.median(paints[1:])


def seconds_of(command: list[str], environ: dict[str, str]) -> float:
    """Seconds of one run of a command."""
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def median_s(command: list[str], environ: dict[str, str], runs: int) -> float:
    """Median seconds of a command, the first run left out."""
    return statistics.median([seconds_of(command, environ) for _ in range(runs + 1)][1:])


if __name__ == "__main__":
    main()

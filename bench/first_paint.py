"""Seconds from starting the interpreter to the home screen's first paint: median of N runs in a pty.

With `--jobs 10000` that many held jobs lie in the queue, and the clock runs until the first of them is on the screen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from terminal import Terminal, usual_environ


def main() -> None:
    """Run and print one line a run, then the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=0, help="held jobs in the queue")
    args = parser.parse_args()
    seconds, processor, memory = [], [], []
    with tempfile.TemporaryDirectory() as home:
        if args.jobs:
            fill(Path(home), args.jobs)
        first_words = b"clip-0" if args.jobs else b"Queue"
        environ = usual_environ(home)
        # One run first: the byte code and the files are then as warm as on any day but the first.
        for run in range(args.runs + 1):
            terminal = Terminal([sys.executable, "-m", "skyreels_tui", "--result-dir", home], environ)
            try:
                taken = terminal.wait_for(first_words, 30.0)
                spent = terminal.cpu_seconds()
                terminal.settle()
                kept = terminal.memory_mb()
            finally:
                terminal.close()
            if run:
                memory.append(kept)
                seconds.append(taken)
                processor.append(spent)
                print(f"run {run}: {taken:.3f} s, processor {spent:.2f} s, then {kept:.0f} MB")
    print(
        f"first paint: median {statistics.median(seconds):.3f} s, best {min(seconds):.3f} s of {len(seconds)} runs; "
        f"processor time: median {statistics.median(processor):.2f} s; "
        f"memory then: {max(memory):.0f} MB at most; load {os.getloadavg()[0]:.1f}"
    )


def fill(home: Path, count: int) -> None:
    """Put `count` held jobs into the queue under `home`."""
    from pipelines.tasks.reference_to_video import ReferenceToVideo
    from skyreels_tui.files.folders import find_folders
    from skyreels_tui.queue.service import QueueService
    from skyreels_tui.queue.store.rows import NewJob

    picture = Path(__file__).resolve().parents[1] / "pipelines" / "demo" / "samples" / "astronaut.jpg"
    request = ReferenceToVideo(ref_imgs=(str(picture),), prompt="a walk", profile="demo")
    folders = find_folders({"SKYREELS_TUI_HOME": str(home)})
    service = QueueService(folders, home, lambda _event: None)
    try:
        jobs = [NewJob(request, label=f"clip-{number}", held=True) for number in range(count)]
        service.actions.add_many(jobs, checked=True)
    finally:
        service.close()


if __name__ == "__main__":
    main()

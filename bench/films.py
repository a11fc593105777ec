"""Milliseconds from a key to its paint with many films beside many jobs: opening the films, folding one, searching."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from terminal import Terminal

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.files.folders import find_folders
from skyreels_tui.films.takes import run_film
from skyreels_tui.queue.film import NewFilm, NewScene, SceneFacts
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.rows import NewJob

SAMPLES = Path(__file__).resolve().parents[1] / "pipelines" / "demo" / "samples"


def fill(home: Path, films: int, scenes: int, jobs: int) -> None:
    """Queue so many held jobs, and films of so many scenes each, all with a held take."""
    service = QueueService(find_folders({"SKYREELS_TUI_HOME": str(home)}), home / "result", lambda _: None)
    fields = {"prompt": "a walk", "ref_imgs": (str(SAMPLES / "astronaut.jpg"),), "profile": "demo"}
    request = ReferenceToVideo(resolution="128P", **fields)  # type: ignore[arg-type]  # as the fields are called
    service.actions.pause()
    for number in range(films):
        made = tuple(NewScene(request, f"s{n}", SceneFacts(words="So it was")) for n in range(scenes))
        service.actions.films.create(NewFilm(f"ep{number:02d}", "show", scenes=made))
        run_film(service, service.film(f"ep{number:02d}"), held=True)
    service.actions.add_many([NewJob(request, f"job {n}", held=True) for n in range(jobs)], checked=True)
    service.close()


def after(terminal: Terminal, key: bytes, shown: bytes) -> float:
    """Milliseconds from a key to the paint of what it shows."""
    while terminal.read(0.3):
        continue
    began = time.perf_counter()
    terminal.send(key)
    received = b""
    while shown not in received:
        if time.perf_counter() - began > 20:
            raise TimeoutError(f"no {shown!r} after {key!r}")
        received += terminal.read(0.002)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Fill a queue, open the app, press the keys several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--scenes", type=int, default=10, help="of each film")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home, args.films, args.scenes, args.jobs)
        environ = {**os.environ, "SKYREELS_TUI_HOME": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        terminal = Terminal([sys.executable, "-m", "skyreels_tui", "--result-dir", folder], environ)
        try:
            terminal.wait_for(b"ep07", 60.0)
            found: dict[str, list[float]] = {"open films": [], "unfold": [], "fold": [], "search": []}
            for _ in range(args.times):
                found["open films"].append(after(terminal, b"F", f"{args.films} films".encode()))
                terminal.send(b"\x1b")
                terminal.wait_for(b"New", 20.0)
                found["unfold"].append(after(terminal, b"z", b"s3"))
                found["fold"].append(after(terminal, b"z", b"ep07"))
                terminal.send(b"/")
                found["search"].append(after(terminal, b"9", b"9"))
                terminal.send(b"\x1b")
        finally:
            terminal.close()
    for name, times in found.items():
        print(f"{name}: median {statistics.median(times):.0f} ms, max {max(times):.0f} ms of {len(times)}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

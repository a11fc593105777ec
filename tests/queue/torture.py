"""The long crash test: `python -m tests.queue.torture [TASK ...] [--moments N] [--only PART ...]`.

Imports torch once, then forks a child for every kill. Real tiny models of all four tasks, killed after every
denoising step, at every named point of the disk and at random moments; the resumed video must have the same
frames as the one that nobody disturbed. Then the disk is full, or broken, at each kind of write.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from pipelines.front.request import Request
from pipelines.media.ffmpeg import ffmpeg_path
from pipelines.tasks import TASKS
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.queue.engine.executor import Executor
from tests.queue import test_crash
from tests.queue.demo_requests import demo_request
from tests.queue.harness import home_of, import_early, in_child, jobs_left, problems, run_queue, say, survive

PARTS = ("steps", "points", "moments", "faults")
"""Every denoising step, each kind of point of the disk, random moments, a disk that is full or broken."""


def frames(path: Path) -> str:
    """One checksum a frame, of picture and sound."""
    command = [str(ffmpeg_path()), "-v", "error", "-i", str(path), "-f", "framemd5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Tally:
    """Counts kills and what they broke."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.kills = self.faults = self.survived_whole = 0
        self.wrong: list[str] = []

    def take(self, where: str, killed: bool, wrong: list[str]) -> None:
        """One experiment."""
        self.kills += killed
        self.survived_whole += not wrong
        self.wrong += [f"{where}: {one}" for one in wrong]
        say(f"{'ok ' if not wrong else 'BAD'} {where}{'' if killed else ' (no kill)'} {' '.join(wrong)}")

    def __str__(self) -> str:
        counts = dict.fromkeys(("lost", "duplicated", "corrupt"), 0)
        for line in self.wrong:
            found = line.split(": ", 1)[1]
            lost, doubled = found.startswith(("lost", "forgot")), found.startswith(("jobs are", "outputs", "files are"))
            counts["lost" if lost else "duplicated" if doubled else "corrupt"] += 1
        words = ", ".join(f"{count} {name}" for name, count in counts.items())
        minutes = (time.monotonic() - self.began) / 60
        return f"{self.kills} kills, {words} ({self.faults} disk faults besides; {minutes:.1f} minutes)"


def torture(
    name: str,
    make_executor: Callable[[Path], Callable[[], Executor]],
    request: Request,
    wanted: Callable[[Path], str],
    tally: Tally,
    folder: Path,
    *,
    moments: int,
    every_point: bool,
    quick: bool,
    parts: Collection[str],
    draw: random.Random,
) -> None:
    """Kill one job of a task in all the ways, each in its own home."""
    import_early([request])
    whole = folder / f"{name}-whole"
    began = time.monotonic()
    child = in_child(lambda tell: run_queue(whole, make_executor(whole), [request], tell))
    seconds = time.monotonic() - began
    if child.error or not jobs_left(whole)[0].output:
        tally.take(f"{name} undisturbed", False, [child.error or jobs_left(whole)[0].error])
        return
    truth = wanted(Path(jobs_left(whole)[0].output))
    points = child.points
    steps = [i for i, point in enumerate(points) if point.startswith("after report denoise")]
    pieces = [i for i, point in enumerate(points) if point.startswith("before rename piece")]
    kinds = range(len(points)) if every_point else test_crash.kinds(points)
    # Setting up folders is the same for all tasks and short; what a job writes is what matters here.
    chosen = {*(steps if "steps" in parts else ()), *(kinds if "points" in parts else ())}
    if quick:
        chosen = {draw.choice(steps), pieces[-1]}
    plans: list[tuple[str, int | None, float]] = [(points[index], index, 0.0) for index in sorted(chosen)]
    plans += [
        (f"after {s:.3f} s", None, s)
        for s in (draw.uniform(0.01, seconds) for _ in range(moments if "moments" in parts else 0))
    ]
    for where, kill_at, kill_after_s in plans:
        root = folder / f"{name}-{tally.survived_whole}-{len(tally.wrong)}"
        killed, wrong = survive(root, make_executor(root), [request], kill_at=kill_at, kill_after_s=kill_after_s)
        if not wrong and wanted(Path(jobs_left(root)[0].output)) != truth:
            wrong = ["the frames differ from the undisturbed run's"]
        tally.take(f"{name} {where}", killed.killed, wrong)
        shutil.rmtree(root)
    if "faults" in parts:
        starts = next(index for index, point in enumerate(points) if point.startswith("before report"))
        for index in (one for one in kinds if one > starts and points[one].startswith("before")):
            if not points[index].startswith("before report"):
                for code in (errno.ENOSPC, errno.EIO):
                    break_disk(f"{name} {points[index]}", make_executor, request, tally, folder, index, code)


def break_disk(
    where: str,
    make_executor: Callable[[Path], Callable[[], Executor]],
    request: Request,
    tally: Tally,
    folder: Path,
    index: int,
    code: int,
) -> None:
    """One write of a job fails: a full disk is waited for, a broken one told in words; nothing is lost."""
    root, words = folder / "broken", os.strerror(code)

    def fail(name: str) -> None:
        raise OSError(code, words, name)

    def work(tell: Callable[[str], None]) -> list[str]:
        return run_queue(root, make_executor(root), [request], tell, index, act=fail, retry_s=0.01)

    child = in_child(work)
    wrong = [f"the child failed: {child.error}"] if child.error else problems(root, child.journal, 1)
    if code == errno.EIO and not child.error:
        # Such a job may fail, and then says why.
        wrong = [one for one in wrong if not (" is failed: " in one and words in one)]
        wrong = [one for one in wrong if not one.startswith("files are")] if "failed" in str(child.journal) else wrong
    tally.faults += 1
    tally.take(f"{where}: {words}", False, wrong)
    shutil.rmtree(root)


def main(arguments: list[str]) -> int:
    """Run; exit code 0 only when nothing was lost, duplicated or changed."""
    names = [task.name for task in TASKS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"fake, {', '.join(names)}; default: all")
    parser.add_argument("--moments", type=int, default=200, help="random moments over all tasks; default: 200")
    parser.add_argument("--every-point", action="store_true", help="not only the first point of each kind")
    parser.add_argument("--quick", action="store_true", help="one step and one piece of each task, nothing else")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run; default: all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    chosen = options.tasks or (names if options.quick else ["fake", *names])
    draw, tally = random.Random(options.seed), Tally()
    for task in TASKS:
        if task.name in chosen:
            # Forked children find the families imported.
            task.load_entry()
    with tempfile.TemporaryDirectory(prefix="skyreels-torture-") as name:
        folder = Path(name)
        cache = folder / "cache"
        for task in chosen:
            if task == "fake":
                make, request, wanted = (lambda _: test_crash.make_fake), test_crash.REQUESTS[0], Path.read_text
            else:
                make, request, wanted = local(cache), demo_request(task, folder / "inputs"), frames
            torture(
                task,
                make,
                request,
                wanted,
                tally,
                folder,
                moments=options.moments // len(chosen),
                quick=options.quick,
                parts=() if options.quick else options.only,
                every_point=options.every_point or task == "fake",
                draw=draw,
            )
    for line in tally.wrong:
        say(line)
    say(str(tally))
    return 1 if tally.wrong else 0


def local(cache: Path) -> Callable[[Path], Callable[[], Executor]]:
    """Real executors with their own homes and one cache of demo models."""

    def make(root: Path) -> Callable[[], Executor]:
        from dataclasses import replace

        return lambda: LocalExecutor(replace(home_of(root), cache=cache), device="cpu")

    return make


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the chaos puts into processes of a cluster: points at which they die, and a worker whose jobs are cheap.

Unpickling `ChaosOptions` in an actor imports this module there: nothing of a machine is changed for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.progress import Progress, Stage
from pipelines.front.runtime import Output
from skyreels_tui.executors.cluster import desk, opening
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import Job

CHEAP = "cheap"
"""How the label of a job begins whose film is a ready one with a proof of its steps behind it."""
STEPS = 8
DIGEST_BYTES = 32
BOX_BYTES = 8 + DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class ChaosOptions(DeskOptions):
    """Options of a desk that obeys a folder of points."""

    place: str = ""
    """Folder of the chaos."""
    step_s: float = 0.2

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self.keep_warm, self.language, self.lease_s, self.place, self.step_s)


class Points:
    """Named points of processes: whoever passes one for which an order lies there kills, and dies if it is meant."""

    def __init__(self, place: Path) -> None:
        self._orders, self._fired = place / "orders", place / "fired"

    def order(self, name: str, pids: list[int]) -> None:
        """Whoever passes the point next kills these; 0 is itself, -1 is its parent."""
        make_folder(self._orders)
        write_whole(self._orders / name, json.dumps(pids).encode(), durable=False)

    def withdraw(self, name: str) -> bool:
        """Take an order back; False when somebody has taken it."""
        try:
            (self._orders / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def fired(self) -> list[list[int]]:
        """The processes that each order, as it was carried out, has sent to death; some may still be on their way."""
        with suppress(FileNotFoundError):
            return [[int(pid) for pid in line.split()] for line in self._fired.read_bytes().splitlines()]
        return []

    def pass_by(self, name: str) -> None:
        """Here it is."""
        taken = self._orders / f"{name}.{os.getpid()}"
        try:
            (self._orders / name).rename(taken)
        except FileNotFoundError:
            return
        pids = [{0: os.getpid(), -1: os.getppid()}.get(pid, pid) for pid in read_json(taken.read_bytes())]
        taken.unlink()
        with self._fired.open("ab", buffering=0) as file:
            # Whoever dies by it cannot write it afterwards.
            file.write(" ".join(map(str, pids)).encode() + b"\n")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def proof(seed: int, steps: int = STEPS) -> bytes:
    """What the state of a cheap job with this seed is after so many steps, each made of the one before."""
    state = b""
    for step in range(1, steps + 1):
        state = hashlib.sha256(state + f"{seed} {step}".encode()).digest()
    return state


class ChaosExecutor(LocalExecutor):
    """Cheap jobs without torch, resumed at their stored step; every other job as ever."""

    place: Path
    step_s: float

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._points = Points(self.place)
        note = self.place / "actors" / str(os.getpid())
        make_folder(note.parent)
        write_whole(note, str(os.getppid()).encode(), durable=False)

    def warm_up(self) -> None:
        """At the first job that needs it."""

    def lacks(self, job: Job) -> str:
        """A cheap job needs no checkpoint."""
        return "" if job.label.startswith(CHEAP) else super().lacks(job)

    def admit(self, job: Job) -> str:
        """A cheap job needs no memory."""
        if job.label.startswith(CHEAP):
            return ""
        super().warm_up()
        return super().admit(job)

    def run(self, context: JobContext) -> Output:
        """Run with points."""

        def report(progress: Progress) -> None:
            if progress.stage is Stage.DENOISE and progress.step:
                self._points.pass_by("a step is written on the worker")
            context.report(progress)

        watched = replace(context, report=report)
        output = self._cheap(watched) if context.job.label.startswith(CHEAP) else super().run(watched)
        self._points.pass_by("the film is written on the worker")
        return output

    def _cheap(self, context: JobContext) -> Output:
        seed = int(read_json(context.job.request_json)["seed"])
        stored = context.work_dir / "cheap.json"
        done, state = 0, b""
        if stored.exists():
            content = read_json(stored.read_bytes())
            done, state = int(content["step"]), bytes.fromhex(content["state"])
        for step in range(done + 1, STEPS + 1):
            context.report(Progress(Stage.DENOISE, step - 1, STEPS, 0, 1))
            until = time.monotonic() + self.step_s
            while time.monotonic() < until:
                context.poll()
                time.sleep(0.05)
            state = hashlib.sha256(state + f"{seed} {step}".encode()).digest()
            self._points.pass_by("a step is made on the worker")
            write_whole(stored, json.dumps({"step": step, "state": state.hex()}).encode(), durable=False)
            context.report(Progress(Stage.DENOISE, step, STEPS, 0, 1))
        context.report(Progress(Stage.WRITE))
        folder = context.result_dir / context.job.task_type
        make_folder(folder, private=False)
        path = folder / f"{context.output_stem}.mp4"
        box = BOX_BYTES.to_bytes(4, "big") + b"free" + state
        write_whole(path, (self.place / "clip.mp4").read_bytes() + box, private=False, durable=False)
        write_whole(path.with_suffix(".json"), b'{"output": {"path": ""}}', private=False, durable=False)
        return Output(path, 128, 128, 24, 24.0)


def _opened(options: DeskOptions, *ranks: Any) -> desk.WorkerDesk:
    if isinstance(options, ChaosOptions):
        ChaosExecutor.place, ChaosExecutor.step_s = Path(options.place), options.step_s
    return _open_desk(options, *ranks)


def _parts(path: Path, *args: Any, **options: Any) -> Any:
    for part in _parts_of(path, *args, **options):
        yield part
        Points(ChaosExecutor.place).pass_by("a part of the film is sent")


_open_desk, _parts_of = opening.open_desk, desk.parts_of


def _arrive(*values: Any) -> ChaosOptions:
    """Take in options of another process, and with them cheap jobs and points."""
    from skyreels_tui.executors.cluster.ray import seat

    opening.LocalExecutor = ChaosExecutor  # type: ignore[misc]
    seat.open_desk = _opened
    desk.parts_of = _parts
    return ChaosOptions(*values)

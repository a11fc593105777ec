"""Kills a child at a point of its work and says what must be left: the parent keeps its own journal."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.request import Request
from pipelines.tasks import task_of
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.engine.executor import Executor, JobContext
from skyreels_tui.queue.engine.parts import RETRY_S
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from tests.queue.points import Counter, kill_me, watched_disk

LIMIT_S = 240.0


def home_of(root: Path) -> Folders:
    """The folders of a harness run."""
    return find_folders({"SKYREELS_TUI_HOME": str(root / "home")})


class Watched:
    """An executor whose reports are points as well: 'before report denoise 3'."""

    def __init__(self, executor: Executor, watch: Callable[[str, str, str], None]) -> None:
        self._executor, self._watch = executor, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def run(self, context: JobContext) -> Any:
        """Run with watched reports."""

        def report(progress: Any) -> None:
            name = f"{progress.stage}-{progress.segment}-{progress.step}"
            self._watch("before", "report", name)
            context.report(progress)
            self._watch("after", "report", name)

        from dataclasses import replace

        return self._executor.run(replace(context, report=report))


@dataclass
class Child:
    """What a child did: the operations it acknowledged, its points when it counted them, how it ended."""

    journal: list[str]
    points: list[str] = field(default_factory=list)
    killed: bool = False
    error: str = ""


def in_child(work: Callable[[Callable[[str], None]], list[str] | None], kill_after_s: float = 0.0) -> Child:
    """Fork, run `work(acknowledge)`, collect what it acknowledged; kill it after a while if asked.

    An acknowledgement is one unbuffered line in a pipe, so a killed child has told all that it ever said.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            points = work(lambda text: _tell(writing, {"did": text}))
            _tell(writing, {"points": points or []})
            code = 0
        except BaseException:
            _tell(writing, {"error": traceback.format_exc()})
        finally:
            os._exit(code)
    os.close(writing)
    if kill_after_s:
        # The child tells when it begins to work: importing and forking take no part in the moment chosen.
        _kill_later(child, kill_after_s)
    result = Child([])
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            said = json.loads(line)
            if "did" in said:
                result.journal.append(said["did"])
            result.points = said.get("points", result.points)
            result.error = said.get("error", result.error)
    _, status = os.waitpid(child, 0)
    result.killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return result


def _kill_later(child: int, seconds: float) -> None:
    import threading

    def kill() -> None:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            return

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()


def _tell(pipe: int, content: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(content).encode() + b"\n")


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where the system has one: a kill leaves there what it leaves on a disk, and syncs are free."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def import_early(requests: Sequence[Request]) -> None:
    """Import in this process what every forked child would import again for itself."""
    for request in requests:
        task_of(request).plan(request)
    importlib.import_module("skyreels_tui.queue.batches.inbox")


def run_queue(
    root: Path,
    make_executor: Callable[[], Executor],
    requests: Sequence[Request],
    acknowledge: Callable[[str], None],
    kill_at: int | None = None,
    count: bool = True,
    act: Callable[[str], None] = kill_me,
    retry_s: float = RETRY_S,
) -> list[str]:
    """Add what is not there yet, run it all, acknowledge each change; returns the points it passed.

    At point `kill_at` it does `act`.
    """
    watch = Counter(kill_at, act)
    passing: Callable[[str, str, str], None] = watch if count else (lambda *_: None)
    with watched_disk(root, passing):
        service = QueueService(
            home_of(root),
            root / "result",
            lambda _event: None,
            executor=lambda: Watched(make_executor(), passing),
            options=QueueOptions(auto_resume=True, retry_s=retry_s),
        )
        present = {job.label for job in service.jobs()}
        for index, request in enumerate(requests):
            if f"job{index}" not in present:
                job = service.actions.add(request, label=f"job{index}", checked=True)
                acknowledge(f"added {job.label}")
        for job in service.jobs():
            if job.state == JobState.HELD:
                service.actions.release(job.id)
                acknowledge(f"released {job.label}")
        service.start()
        for job in service.jobs():
            ended = service.wait(job.id, LIMIT_S)
            acknowledge(f"{ended.state} {ended.label} {ended.error}".strip())
        service.close()
    return watch.names


def jobs_left(root: Path) -> list[Job]:
    """The rows as a fresh process finds them."""
    service = QueueService(home_of(root), root / "result", lambda _event: None)
    try:
        return service.jobs()
    finally:
        service.close()


def problems(root: Path, journal: Sequence[str], wanted: int) -> list[str]:
    """What is wrong after a kill and a restart that ran to the end: lost, duplicated or unfinished jobs."""
    found = []
    jobs = jobs_left(root)
    labels = [job.label for job in jobs]
    for line in journal:
        word, label = line.split(" ")[:2]
        if label not in labels:
            found.append(f"lost: {line}")
        elif word in FINISHED and word not in [job.state for job in jobs if job.label == label]:
            found.append(f"forgot: {line}")
    if len(labels) != len(set(labels)) or len(labels) != wanted:
        found.append(f"jobs are {labels}")
    outputs = [job.output for job in jobs]
    for job in jobs:
        if job.state != JobState.DONE:
            found.append(f"{job.label} is {job.state}: {job.error or job.reason}")
        elif not Path(job.output).is_file():
            found.append(f"{job.label} has no file")
    if len(set(outputs)) != len(outputs):
        found.append(f"outputs are shared: {outputs}")
    made = sorted(str(path) for path in (root / "result").rglob("*.mp4"))
    if made != sorted(outputs):
        found.append(f"files are {made}, rows say {sorted(outputs)}")
    return found


def survive(
    root: Path,
    make_executor: Callable[[], Executor],
    requests: Sequence[Request],
    *,
    kill_at: int | None = None,
    kill_after_s: float = 0.0,
) -> tuple[Child, list[str]]:
    """One kill, one restart to the end; returns the killed child and what was wrong afterwards."""
    first = in_child(
        lambda tell: run_queue(root, make_executor, requests, tell, kill_at, kill_at is not None),
        kill_after_s,
    )
    if first.error:
        return first, [f"the child failed: {first.error}"]
    second = in_child(lambda tell: run_queue(root, make_executor, requests, tell, None, False))
    if second.error or second.killed:
        return first, [f"the restart failed: {second.error or 'killed'}"]
    return first, problems(root, [*first.journal, *second.journal], len(requests))


def say(text: str) -> None:
    """A line of a long run's report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

"""A worker's own side: it runs one job at a time with a local executor and says what happens, to whoever asks.

Knows no queue and no transport. Its calls may come from any thread; the jobs run on one.
"""

from __future__ import annotations

import dataclasses
import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.front.boundary import Tried, boundary
from pipelines.front.durable import make_folder
from pipelines.front.errors import Cancelled
from pipelines.front.fields import Files
from pipelines.front.progress import Progress
from pipelines.front.request import Request, field_specs
from skyreels_tui.executors.cluster.copies import Mirror, parts_of, plain_name, put
from skyreels_tui.executors.cluster.errors import told
from skyreels_tui.executors.cluster.messages import (
    END,
    Assignment,
    FilePart,
    Holds,
    JobEnded,
    JobFailed,
    JobStopped,
    Logged,
    Message,
    Reported,
    Stopping,
)
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.engine.limits.watchdog import AvailableBytes, Watchdog
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.reasons import Reason

LEASE_S = 60.0
"""A worker that nobody has asked for so long ends its job: whoever gave it has gone."""
WEIGH_S = 1.0
WAITING_MESSAGES = 256
"""More than this are not kept: the job waits until they are fetched."""


class WorkerDesk:
    """`begin` an attempt, `take` what it says until its end; `stop` ends it between two blocks."""

    def __init__(
        self,
        folder: Path,
        executor: LocalExecutor,
        *,
        lease_s: float = LEASE_S,
        floor_bytes: int = 0,
        available: AvailableBytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is this worker's own: copies of inputs, one work folder, results until they are fetched."""
        self._folder, self._executor, self._lease_s, self._now = folder, executor, lease_s, now
        self._heard = now()
        self._attempt: _Sitting | None = None
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="desk", daemon=True)
        self._thread.start()
        self._watchdog: Watchdog | None = None
        if floor_bytes and available is not None:
            self._watchdog = Watchdog(available, floor_bytes, lambda: self._running is not None, self._memory_is_low)
            self._watchdog.start()

    @property
    def _running(self) -> _Sitting | None:
        attempt = self._attempt
        return None if attempt is None or attempt.is_over else attempt

    # Files

    def lacks(self, digests: list[str]) -> list[str]:
        """Which of these input files are not here."""
        self._hear()
        return [digest for digest in digests if not list((self._folder / "inputs" / plain_name(digest)).glob("[!.]*"))]

    def put_input(self, digest: str, part: FilePart) -> None:
        """Take in a part of an input file."""
        self._hear()
        put(self._folder / "inputs" / plain_name(digest), part)

    def input_path(self, digest: str) -> str:
        """Where such a file lies here."""
        return str(next((self._folder / "inputs" / plain_name(digest)).glob("[!.]*")))

    def clear(self) -> None:
        """Forget the work folder and the results of the job before."""
        self._hear()
        for area in ("work", "results"):
            shutil.rmtree(self._folder / area, ignore_errors=True)
            make_folder(self._folder / area)

    def put_work(self, part: FilePart) -> None:
        """Take in a part of a stored step or piece."""
        self._hear()
        put(self._folder / "work", part)

    # Jobs

    def admit(self, job: Job) -> tuple[str, str]:
        """('', '') when the job may start here; else ('lacks' or 'waits', why in words)."""
        self._hear()

        def ask() -> tuple[str, str]:
            if why := self._executor.lacks(job):
                return "lacks", why
            self._executor.warm_up()
            why = self._executor.admit(job)
            return ("waits", why) if why else ("", "")

        answer: tuple[str, str] = self._do(ask)
        return answer

    def begin(self, assignment: Assignment) -> None:
        """Start an attempt; one that still runs is told to stop, and this one begins after it."""
        self._hear()
        if self._attempt is not None:
            self._attempt.stop.set()
        self._attempt = attempt = _Sitting(assignment)
        self._orders.put(lambda: self._run(attempt))

    def take(self, key: tuple[int, int], wait_s: float) -> list[Message]:
        """What the attempt has said since the last call; waits for the first of it."""
        self._hear()
        attempt = self._attempt
        if attempt is None or attempt.assignment.key != key:
            return [JobStopped()]
        messages: list[Message] = []
        try:
            messages.append(attempt.said.get(timeout=wait_s))
            size = 0
            while not attempt.said.empty() and size < 4 * 2**20:
                messages.append(attempt.said.get_nowait())
                size += len(getattr(messages[-1], "data", b""))
        except queue.Empty:
            pass
        return messages

    def tell(self, key: tuple[int, int], *, wants_preview: bool, stop: bool = False) -> None:
        """Whether somebody looks at the preview, and whether the attempt is to end between two blocks."""
        self._hear()
        attempt = self._attempt
        if attempt is not None and attempt.assignment.key == key:
            attempt.wants_preview = wants_preview
            if stop:
                attempt.stop.set()

    def free(self) -> None:
        """Give back the memory of everything that is not in use."""
        self._do(self._executor.free)

    def forget(self) -> None:
        """Remove this desk's folder: its process ends."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """End the job and release the models; the folder goes."""
        if self._attempt is not None:
            self._attempt.stop.set()
        self._orders.put(self._executor.close)
        self._orders.put(None)
        self._thread.join()
        if self._watchdog is not None:
            self._watchdog.close()
        self.forget()

    # Inside

    def _hear(self) -> None:
        self._heard = self._now()

    def _do(self, work: Callable[[], Any]) -> Any:
        """Do something on the thread of the jobs and return what it gives."""
        answers: queue.SimpleQueue[tuple[Any, Tried]] = queue.SimpleQueue()

        def answer() -> None:
            value = None
            with boundary() as tried:
                value = work()
            answers.put((value, tried))

        self._orders.put(answer)
        value, tried = answers.get()
        if tried.error is not None:
            raise tried.error
        return value

    def _main(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

    def _memory_is_low(self, reason: Reason, urgent: bool) -> None:
        attempt = self._running
        if attempt is not None and not attempt.warned:
            attempt.warned = not urgent
            self._say(attempt, Stopping(reason, urgent))
            if urgent:
                attempt.stop.set()

    def _say(self, attempt: _Sitting, message: Message) -> None:
        while True:
            try:
                attempt.said.put(message, timeout=1.0)
                return
            except queue.Full:
                if isinstance(message, END) or self._is_alone:
                    # Nobody fetches any more: the job's process has the steps that it was told of.
                    return

    @property
    def _is_alone(self) -> bool:
        return self._now() - self._heard > self._lease_s

    def _check(self, attempt: _Sitting) -> None:
        if attempt.stop.is_set() or self._is_alone:
            raise Cancelled

    def _run(self, attempt: _Sitting) -> None:
        """One attempt; the one place of a worker that catches every error of a job."""
        try:
            self._check(attempt)
            mirror = Mirror(self._folder / "work")
            try:
                output = self._executor.run(self._context(attempt, mirror))
            finally:
                for change in mirror.changes():
                    self._say(attempt, change)
            for path in (output.path, output.path.with_suffix(".json")):
                for part in parts_of(path, "results"):
                    self._say(attempt, part)
            end: Message = JobEnded(output)
        except Cancelled:
            end = JobStopped()
        except Exception as error:
            end = self._in_original_words(attempt, told(error))
        attempt.is_over = True
        self._say(attempt, end)

    def _in_original_words(self, attempt: _Sitting, failed: JobFailed) -> JobFailed:
        """Name the person's files, not the copies."""
        words = failed.words
        for copy, original in attempt.assignment.originals.items():
            words = words.replace(copy, original)
        values = tuple(
            attempt.assignment.originals.get(value, value) if isinstance(value, str) else value
            for value in failed.values
        )
        return dataclasses.replace(failed, words=words, values=values)

    def _context(self, attempt: _Sitting, mirror: Mirror) -> JobContext:
        assignment, weighed = attempt.assignment, [float("-inf")]
        work, results = self._folder / "work", self._folder / "results"

        def report(progress: Progress) -> None:
            for change in mirror.changes():
                self._say(attempt, change)
            memory = self._weigh(weighed)
            if memory is not None:
                self._say(attempt, Holds(memory))
            self._say(attempt, Reported(progress))
            self._check(attempt)

        def original(path: str) -> str:
            if path.startswith(f"{work}/"):
                return assignment.work_dir + path[len(str(work)) :]
            return assignment.originals.get(path, path)

        return JobContext(
            job=assignment.job,
            report=report,
            work_dir=work,
            result_dir=results,
            output_stem=assignment.job.output_stem,
            wants_preview=lambda: attempt.wants_preview,
            log=lambda text: self._say(attempt, Logged(text)),
            poll=lambda: self._check(attempt),
            original_path=original,
        )

    def _weigh(self, weighed: list[float]) -> EngineMemory | None:
        if self._now() - weighed[0] < WEIGH_S:
            return None
        weighed[0] = self._now()
        return self._executor.memory()


class _Sitting:
    """What one attempt has said and been told."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.said: queue.Queue[Message] = queue.Queue(WAITING_MESSAGES)
        self.stop = threading.Event()
        self.wants_preview = False
        self.is_over = False
        self.warned = False


def with_paths(request: Request, paths: Mapping[str, str]) -> Request:
    """The request with other paths for its input files."""
    changes: dict[str, Any] = {
        name: tuple(paths.get(path, path) for path in getattr(request, name))
        for name, spec in field_specs(type(request))
        if isinstance(spec, Files)
    }
    return dataclasses.replace(request, **changes)


def input_paths(request: Request) -> list[str]:
    """Every input file that the request names."""
    return [
        path for name, spec in field_specs(type(request)) if isinstance(spec, Files) for path in getattr(request, name)
    ]

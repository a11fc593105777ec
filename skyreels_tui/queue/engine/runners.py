"""The runners of a process, one a worker, as one: they come and go with the workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.queue.engine.attempt.cancel import Why
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.muster import Muster
from skyreels_tui.queue.engine.runner import Runner
from skyreels_tui.queue.engine.stance import Lack
from skyreels_tui.queue.engine.workforce import THIS_PROCESS, Worker, Workforce
from skyreels_tui.queue.events import Engine, EngineMemory, JobProgress
from skyreels_tui.queue.reasons import NONE, Reason

MakeRunner = Callable[[Worker, Executor, Muster], Runner]


class Runners:
    """Any thread may call any method."""

    def __init__(self, workforce: Workforce, make: MakeRunner, changed: Callable[[], None]) -> None:
        """`make` builds a runner that is not started; `changed` hears of workers that came or went."""
        self._workforce, self._make, self._changed = workforce, make, changed
        self._lock = threading.Lock()
        self._all: dict[Worker, Runner] = {}
        self._leaving: list[Runner] = []
        self._finish_job: bool | None = None
        """None while it goes on; then how `close` was asked."""
        self.muster = Muster()

    def start(self) -> None:
        """Begin to work with the workers that are there, and with those that come."""
        self._workforce.begin(self.look)
        self.look()

    def look(self) -> None:
        """Start runners of new workers, end those of workers that have gone."""
        with self._lock:
            if self._finish_job is not None:
                return
            there = set(self._workforce.workers())
            gone = [worker for worker in self._all if worker not in there]
            for worker in gone:
                runner = self._all.pop(worker)
                # Its job finds out by itself that the worker is gone, and its row says so.
                runner.close(finish_job=True)
                self._leaving.append(runner)
            self._leaving = [runner for runner in self._leaving if not runner.join(0.0)]
            new = [self._make(worker, self._workforce.executor(worker), self.muster)
                   for worker in sorted(there - set(self._all))]  # fmt: skip
            self._all.update({runner.worker: runner for runner in new})
        for runner in new:
            # Before any of them looks at a job: it may ask for all.
            self.muster.enter(runner.worker)
        for runner in new:
            runner.start()
        if gone or new:
            self._changed()

    def wake(self) -> None:
        """Look at the queue again."""
        for runner in self._now():
            runner.wake()

    def stop_job(self, why: Why, job_id: int | None = None, reason: Reason = NONE, *, urgent: bool = False) -> None:
        """Stop every running job, or only `job_id`, at its next edge; an urgent stop gives up its step."""
        for runner in self._now():
            runner.stop_job(why, job_id, reason, urgent=urgent)

    def close(self, *, finish_job: bool = False) -> None:
        """End the threads after their jobs, or at their next edges; returns at once."""
        with self._lock:
            self._finish_job = finish_job
        for runner in self._now():
            runner.close(finish_job=finish_job)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the ends of all threads; False when time is up first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for runner in self._now():
            if not runner.join(None if deadline is None else max(0.0, deadline - time.monotonic())):
                return False
        self._workforce.close()
        return True

    def _now(self) -> list[Runner]:
        with self._lock:
            return [*self._all.values(), *self._leaving]

    # What they do

    @property
    def running(self) -> dict[int, Worker]:
        """The jobs that run in this process, each with its worker."""
        found = ((runner.running_job, runner.worker) for runner in self._now())
        return {job_id: worker for job_id, worker in found if job_id is not None}

    @property
    def progress(self) -> list[JobProgress]:
        """The latest report of each running job, by job id."""
        reports = (runner.latest for runner in self._now())
        return sorted((report for report in reports if report is not None), key=lambda report: report.job_id)

    @property
    def memory(self) -> EngineMemory | None:
        """What this process holds for its jobs; None when its workers are others, or have not said."""
        runner = self._all.get(THIS_PROCESS)
        return None if runner is None else runner.memory

    @property
    def engine(self) -> Engine:
        """The busiest of what they do."""
        states = {runner.stance.engine for runner in self._now()}
        return next((state for state in _BUSIEST_FIRST if state in states), "off")

    @property
    def since(self) -> BootTime | None:
        """When the first of those that do what `engine` says began to."""
        engine = self.engine
        stances = [runner.stance for runner in self._now()]
        began = [stance.since for stance in stances if stance.engine == engine and stance.since is not None]
        return min(began, key=lambda time: time.seconds, default=None)

    @property
    def stopping(self) -> bool:
        """Whether every running job was asked to stop."""
        asked = [runner.stopping for runner in self._now() if runner.running_job is not None]
        return bool(asked) and all(asked)

    @property
    def waiting_for(self) -> str:
        """Why nothing starts, in words; '' while something runs."""
        return self._waits()[0]

    @property
    def lacks(self) -> Lack:
        """What `waiting_for` speaks of."""
        return self._waits()[1]

    def _waits(self) -> tuple[str, Lack]:
        runners = self._now()
        stances = [runner.stance for runner in runners]
        if any(stance.engine == "running" for stance in stances):
            return "", ""
        if not runners:
            return self._workforce.trouble(), ""
        return next(((stance.waiting_for, stance.lacks) for stance in stances if stance.waiting_for), ("", ""))


_BUSIEST_FIRST: Sequence[Engine] = ("running", "warming", "idle")

"""Which worker of this process takes which job: none is asked for twice, and a gang waits for its members."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.front.errors import InvalidRequest, PipelineError, Problem
from pipelines.front.gang import gang_problem, ranks_of
from pipelines.front.language import tr
from skyreels_tui.queue.engine.workforce import Worker
from skyreels_tui.queue.model import Job


@dataclass(slots=True)
class _Gang:
    """Workers of one host that are kept for one job."""

    size: int
    members: list[Worker] = field(default_factory=list)
    """In the order in which they came; the last one leads."""

    @property
    def is_whole(self) -> bool:
        return len(self.members) == self.size


class Muster:
    """Shared by the runners of a process; any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._taken: dict[Worker, int] = {}
        self._gangs: dict[int, _Gang] = {}
        self._warm: dict[Worker, str] = {}

    # Who is there

    def enter(self, worker: Worker) -> None:
        """A worker has begun to take jobs."""
        with self._lock:
            self._workers.add(worker)

    def leave(self, worker: Worker) -> None:
        """A worker takes no more jobs."""
        with self._lock:
            self._workers.discard(worker)
            self._warm.pop(worker, None)
            self._part(worker)

    @property
    def size(self) -> int:
        """How many workers are there."""
        return len(self._workers)

    def crew(self) -> tuple[tuple[str, str], ...]:
        """Each worker's name and kind, by name."""
        return tuple((worker.name, worker.kind) for worker in sorted(self._workers.copy()))

    def has_gpus(self) -> bool:
        """Whether any of them has a GPU."""
        return any(worker.has_gpu for worker in list(self._workers))

    def busy(self) -> int:
        """How many of them work on a job, alone or in a gang."""
        with self._lock:
            ganged = {member for gang in self._gangs.values() if gang.is_whole for member in gang.members}
            return len(ganged | set(self._taken))

    # Who takes what

    def not_for(self, worker: Worker, but: Sequence[int] = ()) -> set[int]:
        """Jobs that this worker must not look at: others have taken them, or their gang is whole without it."""
        with self._lock:
            taken = {job_id for other, job_id in self._taken.items() if other != worker}
            full = {
                job_id
                for job_id, gang in self._gangs.items()
                if worker not in gang.members and (gang.is_whole or gang.members[0].host != worker.host)
            }
            return taken | full | set(but)

    def leave_to_warm(self, worker: Worker, task: str) -> bool:
        """Whether another worker, free at this moment, has the network of this task warm and this one has not."""
        with self._lock:
            if self._warm.get(worker) == task:
                return False
            reserved = {member for gang in self._gangs.values() for member in gang.members}
            return any(
                warm == task and other not in self._taken and other not in reserved
                for other, warm in self._warm.items()
            )

    def take(self, worker: Worker, job_id: int) -> bool:
        """Say that this worker is about to run the job; False when another has said so."""
        with self._lock:
            if any(taken == job_id and other != worker for other, taken in self._taken.items()):
                return False
            self._taken[worker] = job_id
            return True

    def done(self, worker: Worker, warm_task: str = "") -> None:
        """This worker runs nothing any more; its network of `warm_task` is warm."""
        with self._lock:
            self._part(worker)
            if warm_task:
                self._warm[worker] = warm_task

    # Gangs

    def size_of(self, job: Job) -> int:
        """How many workers the job asks for. Raises InvalidRequest in words when they can never come together."""
        try:
            asked = str(getattr(job.request, "gpus", "1"))
        except PipelineError:
            # The attempt says what is wrong with the row.
            return 1
        with self._lock:
            hosts = [worker.host for worker in self._workers]
        most = max((hosts.count(host) for host in hosts), default=1)
        size = ranks_of(asked, most)
        if problem := gang_problem(size):
            raise InvalidRequest([Problem("gpus", problem)])
        return size

    def fits(self, worker: Worker, size: int) -> bool:
        """Whether this worker's host has so many workers."""
        with self._lock:
            return sum(other.host == worker.host for other in self._workers) >= size

    def gathering(self, worker: Worker) -> int | None:
        """The job of a gang that gathers on this worker's host and misses members; it comes before others."""
        with self._lock:
            for job_id, gang in self._gangs.items():
                if not gang.is_whole and gang.members[0].host == worker.host:
                    return job_id
        return None

    def dissolve(self, job_id: int) -> None:
        """Let a gang go that still gathers: its job is not wanted any more."""
        with self._lock:
            gang = self._gangs.get(job_id)
            if gang is not None and not gang.is_whole:
                del self._gangs[job_id]

    def gather(self, worker: Worker, job_id: int, size: int) -> tuple[Worker, ...]:
        """Keep this worker for the job's gang; the whole team, this worker first, when it was the last one missing.

        () while others are missing, or when the gang gathers on another host.
        """
        with self._lock:
            gang = self._gangs.get(job_id)
            if gang is None or gang.size != size:
                gang = self._gangs[job_id] = _Gang(size)
            if gang.is_whole or (gang.members and gang.members[0].host != worker.host):
                return ()
            if worker not in gang.members:
                self._part(worker)
                self._gangs[job_id] = gang
                gang.members.append(worker)
            if not gang.is_whole:
                return ()
            gang.members.remove(worker)
            gang.members.insert(0, worker)
            return tuple(gang.members)

    def serving(self, worker: Worker) -> tuple[int, bool] | None:
        """The job whose gang this worker is kept for, and whether the gang is whole; None when it is free."""
        with self._lock:
            for job_id, gang in self._gangs.items():
                if worker in gang.members:
                    return job_id, gang.is_whole
        return None

    def missing(self, job_id: int) -> int:
        """How many workers a gang still waits for."""
        with self._lock:
            gang = self._gangs.get(job_id)
            return 0 if gang is None else gang.size - len(gang.members)

    def part(self, worker: Worker) -> None:
        """Let this worker go from a gang that still gathers; one that leads ends the whole gang."""
        with self._lock:
            self._part(worker)

    def _part(self, worker: Worker) -> None:
        self._taken.pop(worker, None)
        for job_id, gang in list(self._gangs.items()):
            if worker in gang.members:
                if gang.is_whole and gang.members[0] != worker:
                    # The leader's executor finds out what has become of it.
                    continue
                gang.members.remove(worker)
                if gang.size - len(gang.members) == 1 or not gang.members:
                    self._gangs.pop(job_id)


def missing_words(missing: int) -> str:
    """Say that a worker is kept for a job that needs others too."""
    return tr("kept for a job of several GPUs: {missing} missing", missing=missing)

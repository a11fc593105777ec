"""Which worker of this process takes which job: none is asked for twice, and a gang waits for its members."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.front.errors import InvalidRequest, PipelineError, Problem
from pipelines.front.gang import ALL_GPUS, gang_problem, ranks_of
from pipelines.front.language import tr
from skyreels_tui.queue.engine.workforce import Worker
from skyreels_tui.queue.model import Job


@dataclass(slots=True)
class _Gang:
    """Workers that are kept for one job."""

    size: int
    over_hosts: bool
    """No host has so many: they come from several."""
    members: list[Worker] = field(default_factory=list)
    """In the order in which they came; the last one leads."""

    @property
    def is_whole(self) -> bool:
        return len(self.members) == self.size

    def takes(self, worker: Worker) -> bool:
        """Whether this worker could be one of them."""
        if self.is_whole or worker in self.members:
            return False
        return not self.members or _near(self.members[0], worker, over_hosts=self.over_hosts)


class Muster:
    """Shared by the runners of a process; any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._most = 1
        """How many could ever work on a job together: some of them may come back."""
        self._taken: dict[Worker, int] = {}
        self._gangs: dict[int, _Gang] = {}
        self._warm: dict[Worker, str] = {}

    # Who is there

    def enter(self, worker: Worker) -> None:
        """A worker has begun to take jobs."""
        with self._lock:
            self._workers.add(worker)
            self._most = max(self._most, self._together())

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
                job_id for job_id, gang in self._gangs.items() if worker not in gang.members and not gang.takes(worker)
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

    def size_of(self, job: Job, *, has_run: bool) -> int:
        """How many workers the job asks for. Raises InvalidRequest in words when so many can never be there.

        A job that `has_run` had them once, before this process perhaps, and a cluster may get more: then it waits.
        """
        try:
            asked = str(getattr(job.request, "gpus", "1"))
        except PipelineError:
            # The attempt says what is wrong with the row.
            return 1
        with self._lock:
            most = self._together() if asked == ALL_GPUS else self._most
            # Workers that say their machine are of a cluster, which another one may join.
            may_come = has_run or any(worker.host for worker in self._workers)
        size = ranks_of(asked, None if may_come and asked != ALL_GPUS else most)
        if problem := gang_problem(size):
            raise InvalidRequest([Problem("gpus", problem)])
        return size

    def short_of(self, worker: Worker, size: int) -> int:
        """How many workers such as this one are missing for so many to come together, on one host or over several."""
        with self._lock:
            return max(0, size - sum(_near(worker, other, over_hosts=True) for other in self._workers))

    def fits(self, worker: Worker, size: int) -> bool:
        """Whether so many can come together with this worker: those of one host where any has so many."""
        with self._lock:
            return self._has(worker, size) or self._is_over_hosts(worker, size)

    def _has(self, worker: Worker, size: int) -> bool:
        return sum(_near(worker, other, over_hosts=False) for other in self._workers) >= size

    def _is_over_hosts(self, worker: Worker, size: int) -> bool:
        together = [other for other in self._workers if _near(worker, other, over_hosts=True)]
        return len(together) >= size and not any(self._has(other, size) for other in together)

    def _together(self) -> int:
        """The most that can come together now."""
        kinds = [worker.has_gpu for worker in self._workers]
        return max((kinds.count(kind) for kind in kinds), default=1)

    def gathering(self, worker: Worker) -> int | None:
        """The job of the oldest gang that gathers and needs this worker; it comes before others."""
        with self._lock:
            for job_id, gang in self._gangs.items():
                if gang.takes(worker) or (worker in gang.members and not gang.is_whole):
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
            over_hosts = self._is_over_hosts(worker, size)
            if gang is None or (gang.size, gang.over_hosts) != (size, over_hosts):
                gang = self._gangs[job_id] = _Gang(size, over_hosts)
            if gang.is_whole:
                return ()
            if worker not in gang.members:
                if not gang.takes(worker):
                    return ()
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


def _near(one: Worker, other: Worker, *, over_hosts: bool) -> bool:
    """Whether two can work on a job together; a GPU would wait for a CPU."""
    return one.has_gpu == other.has_gpu and (over_hosts or one.host == other.host)


def missing_words(missing: int) -> str:
    """Say that a worker is kept for a job that needs others too."""
    return tr("kept for a job of several GPUs: {missing} missing", missing=missing)


def gone_words(size: int, there: int) -> str:
    """Say why a job waits that asks for more workers than are there now."""
    return tr(
        "{size} workers are asked for, {there} there now: it waits until there are so many", size=size, there=there
    )

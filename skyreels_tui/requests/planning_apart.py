"""Plans that a short-lived process makes for one that must stay small; loads no media library itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.front import language
from pipelines.front.documents import read_json
from pipelines.front.plan import Plan, Segment
from skyreels_tui.requests.planning import known_plan

if TYPE_CHECKING:
    from pipelines.front.request import Request
    from pipelines.tasks.spec import TaskSpec


class Stored(Protocol):
    """A job as its row tells it."""

    @property
    def task_type(self) -> str:
        """Name of its task."""

    @property
    def request_json(self) -> str:
        """Its request."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One that was read from the pipe."""

    task_type: str
    request_json: str

    @property
    def task(self) -> TaskSpec:
        from pipelines.tasks import task_named

        return task_named(self.task_type)

    @property
    def request(self) -> Request:
        return self.task.request_type.from_json(self.request_json)


def plans_apart(jobs: Sequence[Stored]) -> Iterator[Plan | None]:
    """What each job will take, one by one; None while its inputs cannot be read.

    Where the process ends early, the job that it was at counts as unreadable, and those after it get no answer.
    """
    rows = [[job.task_type, job.request_json] for job in jobs]
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipe")
        # It reads all before it answers, so neither waits for the other.
        with process.stdin as asked:
            asked.write(json.dumps([language.spoken(), rows]).encode())
        for _ in rows:
            line = process.stdout.readline()
            yield _plan(read_json(line)) if line else None
            if not line:
                return


def _plan(told: dict[str, Any] | None) -> Plan | None:
    if told is None:
        return None
    segments = tuple(Segment(**segment) for segment in told.pop("segments"))
    return Plan(**{**told, "segments": segments, "loras": tuple(told["loras"]), "used": tuple(told["used"])})


def main() -> None:
    """Answer each row with one line: its plan, or null."""
    chosen, rows = read_json(sys.stdin.buffer.read())
    language.choose(chosen)
    for row in rows:
        plan = known_plan(_Row(*row))
        sys.stdout.write(json.dumps(None if plan is None else asdict(plan)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

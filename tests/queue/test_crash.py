"""kill -9 at the named points of a queue's work, scripted executor: nothing lost, nothing twice, nothing torn.

`python -m tests.queue.torture` is the long version: every point, and real models of all tasks.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.model import JobState
from tests.queue.conftest import make_request
from tests.queue.harness import import_early, in_child, memory_folder, run_queue, survive

REQUESTS = [make_request(seed=1), make_request(seed=2)]


def make_fake() -> FakeExecutor:
    return FakeExecutor(Script(num_steps=3, num_segments=2))


def kinds(points: list[str]) -> list[int]:
    """The first point of each kind: temporary names and step numbers count as one."""
    first: dict[str, int] = {}
    for index, name in enumerate(points):
        first.setdefault("".join(letter for letter in name if not letter.isdigit()), index)
    return sorted(first.values())


def count(root: Path) -> list[str]:
    """All points of an undisturbed run, in order."""
    import_early(REQUESTS)
    child = in_child(lambda tell: run_queue(root, make_fake, REQUESTS, tell))
    assert not child.error, child.error
    return child.points


def contents(root: Path) -> list[str]:
    """Of the videos; `survive` has held them against the rows."""
    return sorted(path.read_text() for path in (root / "result").rglob("*.mp4"))


def kill_at_each_kind_of_point(folder: Path, apart: int) -> None:
    """Kill a run there, of `apart` kinds at one, let another end it, and look at what is left."""
    points = count(folder / "count")
    every = kinds(points)
    assert len(every) > 80
    chosen = every[::apart]
    killed = 0
    wanted = None
    for index in chosen:
        root = folder / str(index)
        child, wrong = survive(root, make_fake, REQUESTS, kill_at=index)
        assert not wrong, (points[index], wrong)
        killed += child.killed
        wanted = wanted or contents(root)
        assert contents(root) == wanted, points[index]
        shutil.rmtree(root)
    assert killed > 0.9 * len(chosen), "the kills did not happen"


@pytest.mark.parametrize("apart", [2, 20])
def test_a_kill_at_each_kind_of_point_loses_nothing(apart):
    """In a process of its own, which is small and forked from in a tenth of the time."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.queue.test_crash", str(apart)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_two_kills_at_the_same_step_ask_a_person(tmp_path, open_service, folders):
    """The second death at one step holds the job, whoever starts next and with auto_resume too."""
    points = count(tmp_path / "count")
    at_step = next(index for index, name in enumerate(points) if name.startswith("after report denoise-0-2"))
    assert in_child(lambda tell: run_queue(tmp_path, make_fake, REQUESTS, tell, at_step)).killed

    def die(_context):
        os.kill(os.getpid(), signal.SIGKILL)

    again = in_child(lambda tell: run_queue(tmp_path, lambda: FakeExecutor(die), REQUESTS, tell))
    assert again.killed
    service = open_service(start=False, auto_resume=True)
    held, other = service.jobs()
    assert held.state == JobState.HELD and "died twice at step 2 of 3" in str(held.reason)
    assert other.state == JobState.QUEUED


if __name__ == "__main__":
    with memory_folder() as place:
        kill_at_each_kind_of_point(place, int(sys.argv[1]))

"""Full and broken disks: an error at every single write of a job, and what is left afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.errors import QueueTrouble, Trouble
from skyreels_tui.queue.events import Event, JobChanged
from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import WAIT_S, entry, make_request
from tests.queue.points import Counter, watched_disk


def run_one_job(root: Path, watch: Callable[[str, str, str], None]) -> tuple[JobState, str]:
    """Run a job under `watch`, then another one in peace; returns the first one's state and error."""
    folders = find_folders({"SKYREELS_TUI_HOME": str(root / "home")})

    class Watched(FakeExecutor):
        def run(self, context):
            if context.job.label == "first":
                armed.append(True)
            return super().run(context)

    def over(event: Event) -> None:
        if isinstance(event, JobChanged) and event.job.state in FINISHED:
            armed.clear()

    armed: list[bool] = []
    with watched_disk(root, lambda *point: watch(*point) if armed else None):
        service = QueueService(
            folders,
            root / "result",
            over,
            executor=lambda: Watched(Script(num_steps=2)),
            options=QueueOptions(retry_s=0.01),
        )
        job, other = service.actions.add_many([entry("first"), entry("second")])
        service.start()
        ended = service.wait(job.id, WAIT_S)
        last = service.wait(other.id, WAIT_S)
        assert service.close(timeout_s=WAIT_S)
    assert last.state == JobState.DONE, "one bad write stops nothing else"
    return ended.state, ended.error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_write_leaves_the_queue_whole(tmp_path, code):
    counter = Counter()
    assert run_one_job(tmp_path / "count", counter)[0] == JobState.DONE
    first_of: dict[str, int] = {}
    for index, name in enumerate(counter.names):
        if name.startswith("before"):
            first_of.setdefault(name.replace(str(os.getpid()), ""), index)
    points = range(len(counter.names)) if EVERY_POINT else list(first_of.values())[code == errno.EIO :: 2]
    for index in points:
        name = counter.names[index]
        if not name.startswith("before"):
            continue
        state, error = run_with_error(tmp_path / str(index), index, code)
        if code == errno.ENOSPC:
            assert state == JobState.DONE, f"{name}: {error}: the queue waits for space and goes on"
        else:
            assert state in FINISHED, name
            assert state == JobState.DONE or os.strerror(code) in error, (name, error)
    assert len(first_of) > 16


EVERY_POINT = bool(os.environ.get("SKYREELS_TORTURE"))
"""Fail at every write; otherwise at the first of each kind, half of them with each error."""


def run_with_error(root: Path, index: int, code: int) -> tuple[JobState, str]:
    def fail(name: str) -> None:
        raise OSError(code, os.strerror(code), name)

    state, error = run_one_job(root, Counter(index, fail))
    store = open_store(root / "home" / "state" / "queue.db")
    labels = sorted(job.label for job in store.list())
    store.close()
    assert labels == ["first", "second"], "nothing acknowledged is lost"
    return state, error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_while_adding_is_told_and_nothing_is_half_added(tmp_path, code):
    root = tmp_path
    refused = 0
    for index in range(40):
        path = root / f"{index}.db"

        def fail(_name: str) -> None:
            raise OSError(code, os.strerror(code))

        counter, armed = Counter(index, fail), []
        with watched_disk(root, lambda *point: counter(*point) if armed else None):  # noqa: B023
            store = open_store(path)
            store.add(entry("before"))
            armed.append(True)
            try:
                store.add_many([entry("x"), entry("y")])
                wanted = ["before", "x", "y"]
            except QueueTrouble as error:
                assert error.trouble is (Trouble.FULL if code == errno.ENOSPC else Trouble.BROKEN)
                refused += 1
                wanted = ["before"]
            armed.clear()
            assert [job.label for job in store.list()] == wanted
            store.add(entry("after"))
            store.close()
        again = open_store(path)
        assert [job.label for job in again.list()] == [*wanted, "after"]
        again.close()
        if index >= len(counter.names):
            break
    assert refused > 3


def test_the_message_of_a_broken_disk_names_the_file(open_service, folders):
    service = open_service(FakeExecutor(Script()))
    folders.jobs.chmod(0o500)
    try:
        job = service.wait(service.actions.add(make_request()).id, WAIT_S)
    finally:
        folders.jobs.chmod(0o700)
    if os.geteuid() != 0:
        assert job.state == JobState.FAILED and "Permission denied" in job.error

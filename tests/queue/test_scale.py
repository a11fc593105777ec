"""Ten thousand jobs: listing, adding, claiming and moving stay quick.

The database lies in memory here: a durable commit costs one fsync, which is the disk's figure and not ours.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry

JOBS = 10_000


def quickest(action, enough_s: float, times: int = 30) -> float:
    """Processor seconds of the best run: what the machine can do when nobody else uses it.

    Neighbours on the same core make a run cost twice as much of the processor, so one within the limit is looked for.
    """
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        action()
        best = min(best, time.process_time() - began)
        if best < enough_s:
            break
    return best


@pytest.fixture(scope="module")
def fast_folder(tmp_path_factory) -> Iterator[Path]:
    """A folder in memory where the system has one."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("scale")
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def full(fast_folder):
    path = fast_folder / "queue.db"
    store = open_store(path)
    entries = [entry(str(number)) for number in range(JOBS)]
    # Processor time: other programs on a busy machine take no part in it.
    began = time.process_time()
    store.add_many(entries)
    added_s = time.process_time() - began
    yield store, path, added_s
    store.close()


def test_adding_is_quick(full):
    _, _, added_s = full
    assert JOBS / added_s > 2000, f"{JOBS / added_s:.0f} a second"


def test_opening_and_listing_is_quick(full):
    _, path, _ = full

    def open_and_list() -> None:
        other = open_store(path)
        board = JobBoard(other.list)
        board.refresh()
        assert len(board.jobs) == JOBS
        other.close()

    open_and_list()
    assert quickest(open_and_list, enough_s=0.5) < 0.5


def test_claiming_is_quick(full):
    store, _, _ = full
    count = 200

    def claim_many() -> None:
        for _ in range(count):
            job = store.attempts.claim()
            store.attempts.cancelled(job.id, run_seconds=0)

    # Each claim and each end is its own transaction, so one round is two of them.
    rate = 2 * count / quickest(claim_many, enough_s=2 * count / 2000)
    assert rate > 2000, f"{rate:.0f} a second"


def test_moving_is_quick(full):
    store, _, _ = full
    ids = [job.id for job in store.list(include_finished=False)]
    times = []
    for turn in range(60):
        job = ids[(turn * 37) % len(ids)]
        began = time.process_time()
        if turn % 3 == 0:
            store.move_to(job, len(ids) // 2)
        elif turn % 3 == 1:
            store.run_next(job)
        else:
            store.move(job, 5)
        times.append(time.process_time() - began)
    assert statistics.median(times) < 0.005


def test_the_board_of_all_jobs_is_small(full):
    store, _, _ = full
    tracemalloc.start()
    board = JobBoard(store.list)
    board.refresh()
    assert board.jobs
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 40 * 2**20, f"{size / 2**20:.0f} MiB"

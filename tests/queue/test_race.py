"""Two runners at one queue, which the lock forbids: the database itself never lets two jobs run."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry

RACES = 100


def test_two_runners_racing_a_hundred_times_never_run_two_jobs(tmp_path):
    path = tmp_path / "queue.db"
    with closing(open_store(path)) as watcher:
        watcher.add_many([entry(str(number)) for number in range(RACES)])
        start, end = threading.Barrier(3), threading.Barrier(3)
        claims: list[int] = []

        def race() -> None:
            with closing(open_store(path)) as store:
                for _ in range(RACES):
                    start.wait()
                    job = store.attempts.claim()
                    if job is not None:
                        claims.append(job.id)
                    end.wait()

        runners = [threading.Thread(target=race) for _ in range(2)]
        for runner in runners:
            runner.start()
        for turn in range(RACES):
            start.wait()
            end.wait()
            running = [job for job in watcher.list() if job.state == "running"]
            assert len(running) == 1 and len(claims) == turn + 1
            watcher.attempts.finish(running[0].id, output="x", suspect="", run_seconds=0)
        for runner in runners:
            runner.join()
    assert sorted(claims) == sorted(set(claims)) and len(claims) == RACES


def test_even_a_runner_that_does_not_ask_cannot_start_a_second_job(store, tmp_path):
    first, second = store.add_many([entry("a"), entry("b")])
    store.attempts.claim()
    with closing(sqlite3.connect(tmp_path / "queue.db")) as rude:
        try:
            rude.execute("UPDATE jobs SET state = 'running' WHERE id = ?", (second.id,))
        except sqlite3.IntegrityError:
            return
    raise AssertionError(f"jobs {first.id} and {second.id} both run")


def test_only_one_of_many_gets_the_lock(tmp_path: Path):
    locks = [OwnerLock(tmp_path / "queue.lock") for _ in range(5)]
    assert [lock.acquire() for lock in locks] == [True, False, False, False, False]
    locks[0].release()
    assert [lock.acquire() for lock in locks[1:]] == [True, False, False, False]
    locks[1].release()

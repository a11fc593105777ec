"""The screens' copy of the queue stays what the store says."""

from __future__ import annotations

import random

from pipelines.front.progress import Progress, Stage
from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueChanged
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry, make_request


def test_events_keep_the_board_equal_to_the_list(tmp_path):
    events = []
    store = open_store(tmp_path / "queue.db", changed=lambda jobs: events.extend(JobChanged(job) for job in jobs))
    store.add_many([entry(str(n)) for n in range(8)])
    board = JobBoard(store.list)
    board.refresh()
    events.clear()
    draw = random.Random(3)
    actions = [
        lambda i: store.hold(i),
        lambda i: store.release(i),
        lambda i: store.cancel(i),
        lambda i: store.move(i, draw.randint(-3, 3)),
        lambda i: store.delete(i),
        lambda i: store.undelete(i),
        lambda i: store.attempts.claim([i]),
        lambda i: store.attempts.finish(i, output="x", suspect="", run_seconds=1),
        lambda i: store.edit(i, make_request(seed=i)),
        lambda i: store.retry(i),
    ]
    for _ in range(300):
        try:
            draw.choice(actions)(draw.randint(1, 8))
        except QueueError:
            continue
        for event in events:
            board.apply(event)
        events.clear()
        assert list(board.jobs) == store.list()
    store.close()


def test_progress_of_a_job_that_no_longer_runs_is_dropped(store):
    job = store.add(entry())
    board = JobBoard(store.list)
    store.attempts.claim()
    board.refresh()
    progress = JobProgress(job.id, Progress(Stage.DENOISE, 1, 8), elapsed_s=3.0)
    board.apply(progress)
    assert board.progress == progress and board.running is not None
    store.attempts.finish(job.id, output="x", suspect="", run_seconds=3.0)
    board.apply(QueueChanged())
    assert board.progress is None and board.running is None
    board.apply(progress)
    assert board.progress is None

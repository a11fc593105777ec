"""The line to a desk that cannot be opened: whose fault that is."""

import pytest

from pipelines.front.errors import InvalidRequest, PipelineError, Problem
from skyreels_tui.executors.cluster.ray.nodes import Node, workers_of
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.queue.engine.workforce import CannotHere, Worker, WorkerAway, WorkerLost
from tests.queue.conftest import entry
from tests.queue.conftest import store as store

pytestmark = pytest.mark.quick


class Site:
    """Opens nothing, for a reason."""

    def __init__(self, error):
        self._error = error

    def open(self, _team):
        raise self._error


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (PipelineError("WrongClusterID: its head has begun anew"), WorkerAway),
        (WorkerLost("a worker does not start"), WorkerAway),
        (InvalidRequest([Problem("x", "what Ray says of itself")]), WorkerAway),
        (CannotHere("another version"), CannotHere),
    ],
)
def test_a_desk_that_cannot_be_opened_is_no_fault_of_the_job(store, error, raised):
    executor = Elsewhere(Site(error)).executor(Worker("a", "box"))
    with pytest.raises(raised, match=str(error)[:12]):
        executor.admit(store.add(entry()))


def test_machines_with_unlike_gpus_give_workers_of_their_kind():
    nodes = [
        Node("1", "10.0.0.1", "spark", 1, True, "GB10"),
        Node("2", "10.0.0.2", "box", 2, True, "H100"),
        Node("3", "10.0.0.3", "bare", 1, False),
    ]
    assert {worker.name: worker.kind for worker in workers_of(nodes)} == {
        "bare cpu 0": "cpu", "box gpu 0": "H100", "box gpu 1": "H100", "spark gpu 0": "GB10",
    }  # fmt: skip

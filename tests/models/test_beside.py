"""What is built beside other work: its reports, its errors, an early end, and the families that read ahead."""

import threading
import time

import pytest
import torch

from pipelines.families.networks import CheckpointNetworks, Layout
from pipelines.front.errors import Cancelled, CheckpointMissing
from pipelines.front.memory import LoadPlan
from pipelines.front.progress import Progress, Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.running.beside import Beside
from pipelines.running.pool import ModelPool

LIMIT_S = 20


def test_who_waits_hears_how_far_it_is():
    heard, go_on = [], threading.Event()

    def build(report):
        report(Progress(Stage.LOAD, bytes_done=1, bytes_total=2))
        assert go_on.wait(LIMIT_S)
        return "made"

    def hear(progress):
        heard.append((progress.bytes_done, threading.current_thread()))
        go_on.set()

    beside = Beside(build)
    assert beside.take(hear) == "made"
    assert heard == [(1, threading.current_thread())]
    beside.end()


def test_its_error_is_raised_where_it_is_needed():
    def build(_report):
        raise CheckpointMissing("gone")

    beside = Beside(build)
    with pytest.raises(CheckpointMissing):
        beside.take(ignore_progress)
    beside.end()


def test_who_is_cancelled_while_waiting_ends_it():
    ended = threading.Event()

    def build(report):
        try:
            while True:
                report(Progress(Stage.LOAD))
                time.sleep(0.001)
        except Cancelled:
            ended.set()
            raise

    def stop(_progress):
        raise Cancelled

    beside = Beside(build)
    with pytest.raises(Cancelled):
        beside.take(stop)
    beside.end()
    assert ended.is_set()


class Network(torch.nn.Module):
    pass


def networks(tmp_path, pool, built, plan=None):
    """Networks of a checkpoint whose transformer is built by the test."""
    for part in ("text", "net"):
        (tmp_path / part).mkdir(exist_ok=True)
        (tmp_path / part / "a.safetensors").write_bytes(bytes(100))

    def load(folder, *, report, **_):
        built.append(threading.current_thread())
        return Network()

    runtime = Runtime("cpu", tmp_path, tmp_path / "work", tmp_path / "result", "x", tmp_path, load_plan=plan)
    return CheckpointNetworks(Layout("vae", "text", "tok", load), runtime, pool, ignore_progress)


@pytest.mark.parametrize(
    ("budget", "plan", "beside"),
    [
        (None, LoadPlan(), True),
        (200, LoadPlan(), True),
        (199, LoadPlan(), False),
        (None, LoadPlan(release_text_encoder=True), False),
    ],
)
def test_a_transformer_is_read_ahead_where_memory_allows(tmp_path, budget, plan, beside):
    built, pool = [], ModelPool(budget)
    models = networks(tmp_path, pool, built, plan)
    with (
        models.reading_ahead("net"),
        models.use(tmp_path / "net", models.dtype, lambda: models._transformer_at(tmp_path / "net"), *models._options),
    ):
        pass
    assert len(built) == 1
    assert (built[0] is not threading.current_thread()) == beside


def test_a_warm_transformer_is_not_read_again(tmp_path):
    built, pool = [], ModelPool()
    for _ in range(2):
        models = networks(tmp_path, pool, built)
        with (
            models.reading_ahead("net"),
            models.use(
                tmp_path / "net",
                models.dtype,
                lambda models=models: models._transformer_at(tmp_path / "net"),
                *models._options,
            ),
        ):
            pass
    assert len(built) == 1


def test_an_error_before_it_is_needed_ends_the_reading(tmp_path):
    models = networks(tmp_path, ModelPool(), [])
    with pytest.raises(ValueError, match="prompt"), models.reading_ahead("net"):
        raise ValueError("prompt")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("beside")]

"""The real executor on demo models: warm networks, leaner plans when memory runs out, what it says about them."""

import dataclasses
import errno
import json
import time

import pytest
import torch

from pipelines.front.admission import Memory
from pipelines.front.errors import Cancelled, CheckpointMissing, MediaError, OutOfMemory
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.runtime import never
from pipelines.front.sizes import GIB
from pipelines.loading.float8 import Float8Linear
from pipelines.media.write.publish import read_metadata
from pipelines.models.encoders.text import PromptEncoder
from pipelines.models.transformer.transformer import SkyReelsTransformer
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.executors.memory import ran_out
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry, make_request

pytestmark = pytest.mark.usefixtures("small_pictures")
ROOMY = Memory(100 * GIB, 119 * GIB)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return find_folders({"SKYREELS_TUI_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture
def executor(home):
    made = LocalExecutor(home, device="cpu", read_memory=lambda pool: ROOMY)
    yield made
    made.close()


@pytest.fixture
def context(tmp_path):
    """Makes the context of one attempt at a new job, and collects what is logged."""
    store, lines = open_store(tmp_path / "queue.db"), []
    changes = {"num_inference_steps": 2}

    def make(report=ignore_progress, **fields):
        job = store.add(entry(**(changes | fields)))
        work = tmp_path / f"job-{job.id}"
        work.mkdir()
        return JobContext(job, report, work, tmp_path / "result", f"clip-{job.id}", never, lines.append)

    make.lines = lines
    yield make
    store.close()


class Fails:
    """Raises an error at each of the first `times` denoising steps that are reported."""

    def __init__(self, error, times=1):
        self.error, self.left, self.details = error, times, []

    def __call__(self, progress):
        self.details.append(progress.detail)
        if progress.stage is Stage.DENOISE and progress.step == 1 and self.left:
            self.left -= 1
            raise self.error


def until_decoding(seen):
    """Collect reports and stop before the slowest part."""

    def report(progress):
        seen.append(progress)
        if progress.stage is Stage.DECODE:
            raise Cancelled

    return report


@pytest.fixture
def layers_seen():
    """The kinds of the matrices' layers in each transformer that was called."""
    seen = []

    def look(module, args):
        if isinstance(module, SkyReelsTransformer):
            seen.append(type(module.proj_out))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    yield seen
    hook.remove()


def test_running_out_of_memory_goes_on_leaner(executor, context):
    report = Fails(torch.OutOfMemoryError("CUDA out of memory"))
    output = executor.run(context(report))
    assert "memory ran out: goes on with tiled decode" in output.warnings
    assert "memory ran out: goes on with tiled decode" in context.lines
    assert "memory ran out: goes on with tiled decode" in report.details
    assert read_metadata(output.path)["memory_plan"] == ["tiled decode"]
    assert "tiled decode" in json.dumps(json.loads(output.path.with_suffix(".json").read_text()))


def test_what_counts_as_out_of_memory():
    yes = [
        OutOfMemory("no memory left"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ]
    no = [RuntimeError("shapes"), OSError(errno.ENOENT, "gone"), MediaError("cannot allocate memory for the film")]
    assert [ran_out(error) for error in (*yes, *no)] == [True] * len(yes) + [False] * len(no)


def test_the_ladder_ends_with_the_error_in_words(executor, context, layers_seen):
    with pytest.raises(OutOfMemory, match="no memory left"):
        executor.run(context(Fails(OutOfMemory("no memory left while loading weights"), times=9)))
    assert [line for line in context.lines if "memory ran out" in line] == [
        "memory ran out: goes on with tiled decode",
        "memory ran out: goes on with text encoder released",
        "memory ran out: goes on with fp8 weights",
    ]


def test_other_errors_are_not_retried(executor, context):
    with pytest.raises(RuntimeError, match="shapes"):
        executor.run(context(Fails(RuntimeError("shapes do not match"))))
    assert not any("memory ran out" in line for line in context.lines)


def test_a_call_that_is_not_wanted_ends_between_blocks(executor, context):
    calls, steps = [], []

    def poll():
        calls.append(1)
        if len(calls) == 5:
            raise Cancelled

    def report(progress):
        if progress.stage is Stage.DENOISE:
            steps.append(progress.step)

    attempt = context(report)
    with pytest.raises(Cancelled):
        executor.run(dataclasses.replace(attempt, poll=poll))
    # Three blocks a step: the fifth call lies inside the second step, whose edge is never reported.
    assert steps == [0, 1]
    executor.run(attempt)
    assert steps == [0, 1, 1, 2]


def test_low_vram_stores_8_bit_weights_and_says_so(executor, context, layers_seen):
    output = executor.run(context(low_vram=True))
    assert set(layers_seen) == {Float8Linear}
    assert read_metadata(output.path)["memory_plan"] == ["fp8 weights"]


def test_offload_says_that_it_does_nothing(executor, context):
    output = executor.run(context(offload=True))
    assert output.warnings == ("offload changed nothing: there is no GPU",)
    assert "memory_plan" not in read_metadata(output.path)


def test_the_kernel_is_named_once_a_job(executor, context):
    seen = []
    stop = until_decoding(seen)
    with pytest.raises(Cancelled):
        executor.run(context(stop))
    assert [p.detail for p in seen if p.detail.endswith("attention")] == ["cpu attention"]
    assert any(line.startswith("cpu attention") for line in context.lines)


def test_a_job_larger_than_the_machine_is_refused_in_words(home, context):
    tiny = LocalExecutor(home, device="cpu", read_memory=lambda pool: Memory(2**20, 2**21))
    attempt = context()
    assert tiny.admit(attempt.job) == ""
    with pytest.raises(OutOfMemory, match=r"needs 9.65 MiB, 1 MiB available, more than this machine"):
        tiny.run(attempt)


def test_a_job_that_would_fit_an_idle_machine_waits(home, context):
    busy = LocalExecutor(home, device="cpu", read_memory=lambda pool: Memory(2**20, 2**36))
    assert "close other programs" in busy.admit(context().job)


def test_nothing_stays_without_keep_warm(home, context):
    executor = LocalExecutor(home, device="cpu", keep_warm=False, read_memory=lambda pool: ROOMY)
    loads = []
    for _ in range(2):
        seen = []
        with pytest.raises(Cancelled):
            executor.run(context(until_decoding(seen)))
        loads.append(sum(p.stage is Stage.LOAD and p.bytes_total > 0 for p in seen))
    assert loads[1] > 0


def test_warm_jobs_start_at_once_and_do_not_encode_a_known_prompt(home, tmp_path):
    encoded = []

    def look(module, args):
        if isinstance(module, PromptEncoder):
            encoded.append(args)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(look)
    began, first_step, loaded = {}, {}, set()

    def listen(event):
        if isinstance(event, JobChanged) and event.job.state is JobState.RUNNING:
            began.setdefault(event.job.id, time.monotonic())
        if isinstance(event, JobProgress) and event.progress.bytes_total:
            loaded.add(event.job_id)
        if isinstance(event, JobProgress) and event.progress.stage is Stage.DENOISE:
            first_step.setdefault(event.job_id, time.monotonic())

    service = QueueService(
        home,
        tmp_path / "result",
        listen,
        executor=lambda: LocalExecutor(home, device="cpu", read_memory=lambda _: ROOMY),
    )
    try:
        service.start()
        request = dataclasses.replace(make_request(num_inference_steps=1), prompt="a prompt of its own")
        cold, *warm = [service.actions.add(request).id for _ in range(4)]
        assert [service.wait(job, 120).state for job in (cold, *warm)] == [JobState.DONE] * 4
    finally:
        hook.remove()
        service.close(timeout_s=30)
    assert len(encoded) == 1
    assert loaded == {cold}
    # Of three in a row, so that another program's burst on this machine is not taken for ours.
    assert min(first_step[job] - began[job] for job in warm) < 1.0


def test_a_folder_of_ones_own_is_looked_up_when_the_job_begins(home, context, tmp_path):
    own = {}
    executor = LocalExecutor(home, device="cpu", own_models=lambda: own, read_memory=lambda pool: ROOMY)
    attempt = context(profile="full", resolution="540P")
    own["r2v"] = str(tmp_path)
    with pytest.raises(CheckpointMissing, match=f"{tmp_path} holds no transformer"):
        executor.run(attempt)

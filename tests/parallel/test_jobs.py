"""Whole jobs over two processes of this host: what one rank makes, two make within rounding, through every end."""

import dataclasses
import os
import signal
from contextlib import closing

import pytest

from pipelines.front.admission import Memory
from pipelines.front.errors import Cancelled, GangLost, InvalidRequest
from pipelines.front.gang import ranks_of
from pipelines.front.memory import LoadPlan, leaner_plans, requested_plan
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.sizes import GIB
from pipelines.media.read.frames import frame_times
from pipelines.media.read.video import read_tail
from pipelines.media.write.publish import read_metadata
from pipelines.running.resume import WorkDir
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.engine.attempt.work_folder import prepare
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from tests.queue.conftest import make_request
from tests.queue.demo_requests import demo_request, voice

pytestmark = pytest.mark.usefixtures("small_pictures")
ROUNDING = 2e-5
"""Most that float32 may differ by, relative to the largest value."""
LEVELS = 0.5
"""Most that finished files may differ by in the mean, of 255: rounding makes the codec choose otherwise."""


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    home = find_folders({"SKYREELS_TUI_HOME": str(tmp_path_factory.mktemp("home"))})
    made = LocalExecutor(home, device="cpu", read_memory=lambda pool: Memory(100 * GIB, 119 * GIB))
    yield made
    made.close()


@pytest.fixture
def attempt(tmp_path):
    """Makes the context of an attempt at a job; attempts with one name share a work folder."""
    store, lines = open_store(tmp_path / "queue.db"), []

    def make(request, name="job", report=ignore_progress, poll=lambda: None):
        job = store.add(NewJob(request, name, "", False))
        work = tmp_path / name
        work.mkdir(exist_ok=True)
        stem = f"clip-{job.id}"
        return JobContext(job, report, work, tmp_path / "result", stem, lambda: False, lines.append, poll=poll)

    make.lines = lines
    yield make
    store.close()


def crew_of(executor):
    """The crew that the executor keeps warm, and no other."""
    found = [model for key, model in executor._pool._models.items() if key[0] == "crew"]
    assert len(found) <= 1
    return found[0] if found else None


def assert_same_steps(one, other):
    """What two attempts stored last is equal within rounding; whole numbers, which are pixels, within one."""
    first, second = (WorkDir(context.work_dir).latest() for context in (one, other))
    assert (first.segment, first.step) == (second.segment, second.step)
    assert first.tensors.keys() == second.tensors.keys()
    assert first.tensors
    for name, expected in first.tensors.items():
        most = 1.0 if not expected.is_floating_point() else ROUNDING * expected.abs().max().item()
        assert (expected.double() - second.tensors[name].double()).abs().max().item() <= most, name


def mean_levels_off(one, other):
    """Of 255, between two finished files."""
    first, second = (read_tail(output.path, len(frame_times(output.path)), None) for output in (one, other))
    assert first.shape == second.shape
    assert len(first) > 1
    return abs(first.astype(float) - second.astype(float)).mean()


@pytest.mark.parametrize("task", ["reference_to_video", "shot_switching_extension"])
def test_two_ranks_make_what_one_makes(executor, attempt, tmp_path, task):
    request = demo_request(task, tmp_path / "inputs")
    if task == "reference_to_video":
        # Three calls a step: two side by side, the third shared.
        request = dataclasses.replace(request, guidance_scale=3.0, guidance_scale_img=2.0)
    contexts = attempt(request, "alone"), attempt(dataclasses.replace(request, gpus="2"), "together")
    alone, together = map(executor.run, contexts)
    assert_same_steps(*contexts)
    assert mean_levels_off(alone, together) < LEVELS
    assert not crew_of(executor).is_over
    assert read_metadata(together.path)["gpus_together"] == 2
    assert "gpus_together" not in read_metadata(alone.path)


def until_decode(progress):
    """A report that cancels the job inside its first decode, which is the longest part on a CPU."""
    if progress.stage is Stage.DECODE and progress.step == 2:
        raise Cancelled


@pytest.mark.parametrize("task", ["single_shot_extension", "talking_avatar"])
def test_two_ranks_take_the_steps_of_one(executor, attempt, tmp_path, task):
    shorter = {"duration": 5}
    if task == "talking_avatar":
        shorter = {"input_audio": (voice(tmp_path / "voice.wav", 1.0),), "guidance_scale": 3.0}
    request = dataclasses.replace(demo_request(task, tmp_path / "inputs"), **shorter)
    contexts = (
        attempt(request, "alone", report=until_decode),
        attempt(dataclasses.replace(request, gpus="2"), "together", report=until_decode),
    )
    for context in contexts:
        with pytest.raises(Cancelled):
            executor.run(context)
    assert_same_steps(*contexts)
    assert not crew_of(executor).is_over


class At:
    """A `poll` that does something at the first block after so many steps, and remembers the steps."""

    def __init__(self, step, work):
        self.step, self.work, self.steps, self.has_acted = step, work, [], False

    def report(self, progress):
        if progress.stage is Stage.DENOISE:
            self.steps.append(progress.step)

    def poll(self):
        if self.steps and self.steps[-1] == self.step and not self.has_acted:
            self.has_acted = True
            self.work()


def cancel():
    raise Cancelled


def test_a_job_goes_on_with_other_ranks_after_a_pause_a_death_and_a_cancel_inside_a_step(executor, attempt, tmp_path):
    request = demo_request("reference_to_video", tmp_path / "inputs")
    undisturbed = attempt(request, "undisturbed")
    executor.run(undisturbed)
    two = dataclasses.replace(request, gpus="2")

    begun_alone = At(1, cancel)
    with pytest.raises(Cancelled):
        executor.run(attempt(request, report=begun_alone.report, poll=begun_alone.poll))

    killed = At(2, lambda: os.kill(crew_of(executor).followers.processes[0].pid, signal.SIGKILL))
    with pytest.raises(GangLost, match="GPU 2 of the 2 that work on this job has failed"):
        executor.run(attempt(two, report=killed.report, poll=killed.poll))
    assert killed.steps == [1, 2]
    assert any("began on 1 and goes on with 2 GPUs" in line for line in attempt.lines)

    stopped = At(3, cancel)
    with pytest.raises(Cancelled):
        executor.run(attempt(two, report=stopped.report, poll=stopped.poll))
    assert stopped.steps == [2, 3]
    warm = crew_of(executor)
    assert not warm.is_over

    last = At(-1, cancel)
    context = attempt(two, report=last.report)
    executor.run(context)
    assert last.steps[0] == 3
    assert crew_of(executor) is warm
    assert_same_steps(undisturbed, context)


@pytest.mark.parametrize(
    ("asked", "there", "ranks"),
    [("1", 0, 1), ("1", None, 1), ("2", None, 2), ("4", 4, 4), ("all", None, 1), ("all", 1, 1), ("all", 3, 2),
     ("all", 4, 4), ("all", 7, 5), ("all", 8, 8), ("all", 16, 8)],
)  # fmt: skip
def test_what_a_number_of_gpus_means(asked, there, ranks):
    assert ranks_of(asked, there) == ranks


@pytest.mark.parametrize(("asked", "there"), [("2", 1), ("4", 2), ("8", 4), ("5", 4)])
def test_more_gpus_than_there_are_are_refused_in_words(asked, there):
    with pytest.raises(InvalidRequest, match=rf"gpus: {asked} GPUs are asked for, {there} can be seen here"):
        requested_plan(make_request(gpus=asked), discrete=True, gpus=there)


@pytest.mark.parametrize("gpus", ["3", "6", "0", "-1", "two", ""])
def test_a_number_that_the_heads_do_not_share_is_no_choice(gpus):
    assert [(one.field, "1, 2, 4, 5, 8, all" in one.message) for one in make_request(gpus=gpus).check()] == [
        ("gpus", True)
    ]


@pytest.mark.parametrize("gpus", ["2", "8", "all"])
def test_low_vram_and_several_gpus_are_refused_in_words(gpus):
    assert "Low VRAM" in make_request(gpus=gpus, low_vram=True).check()[0].message
    assert not make_request(gpus="1", low_vram=True).check()


def test_no_leaner_plan_of_several_ranks_offloads_blocks():
    assert any(plan.offload_blocks for plan in leaner_plans(LoadPlan(), discrete=True))
    assert not any(plan.offload_blocks for plan in leaner_plans(LoadPlan(ranks=2), discrete=True))


def test_stored_steps_stay_usable_when_the_gpus_change_and_nothing_else(tmp_path):
    with closing(open_store(tmp_path / "queue.db")) as store:
        job = store.add(NewJob(make_request(), "", "", False))
    folder = tmp_path / "work"
    prepare(folder, job)
    (folder / "snapshot-00000-00001.safetensors").touch()

    def usable(**changes):
        return prepare(folder, dataclasses.replace(job, request_json=make_request(**changes).to_json()))

    assert usable(gpus="2")
    assert usable(gpus="all")
    assert not usable(seed=43)

"""What the tests of workers in other processes share: a queue over demo models, and the film that nothing disturbed."""

import time
from pathlib import Path

import pytest

from pipelines.front.admission import Memory
from pipelines.front.sizes import GIB
from pipelines.media.read.frames import frame_times
from pipelines.media.read.video import read_tail
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from tests.queue.conftest import Events
from tests.queue.demo_requests import demo_request

LIMIT_S = 400.0
"""Long enough for a loaded machine, on which each worker imports torch; nothing waits this long unless it fails."""
STEPS = 60


def film_of(path):
    """Every frame of a finished video."""
    path = Path(path)
    return read_tail(path, len(frame_times(path)), None).tobytes()


def until(condition, seconds=LIMIT_S):
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The film of a request, made by this process alone: task -> bytes of its frames."""
    root = tmp_path_factory.mktemp("alone")
    executor = LocalExecutor(
        find_folders({"SKYREELS_TUI_HOME": str(root / "home")}),
        device="cpu",
        read_memory=lambda pool: Memory(100 * GIB, 119 * GIB),
    )
    folders = find_folders({"SKYREELS_TUI_HOME": str(root / "home")})
    made = {}

    def film(request):
        key = request.to_json()
        if key not in made:
            events = Events()
            service = QueueService(folders, root / "result", events, executor=lambda: executor)
            job = service.actions.add(request)
            service.start()
            done = service.wait(job.id, LIMIT_S)
            assert done.state == JobState.DONE, done.error
            service.close()
            made[key] = film_of(done.output)
        return made[key]

    return film


@pytest.fixture
def request_of(tmp_path_factory):
    """A demo request with enough steps to be disturbed in; equal for equal arguments."""
    folder = tmp_path_factory.getbasetemp() / "inputs"

    def make(task="reference_to_video", steps=STEPS, **changes):
        from dataclasses import replace

        return replace(demo_request(task, folder), num_inference_steps=steps, **changes)

    return make


@pytest.fixture
def open_queue(tmp_path):
    """Open a queue over a workforce; closed at the end, and its workers with it."""
    opened = []

    def open_one(workforce, **options):
        events = Events()
        service = QueueService(
            find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "head")}),
            tmp_path / "result",
            events,
            executor=workforce,
            options=QueueOptions(**options),
        )
        opened.append(service)
        service.start()
        return service, events

    yield open_one
    for service in opened:
        assert service.close(timeout_s=LIMIT_S)


def at_step(events, job, step):
    """Wait until a job has reported a step, and return the report."""
    return events.wait_for(
        lambda event: (
            isinstance(event, JobProgress)
            and event.job_id == job.id
            and event.progress.stage == "denoise"
            and event.progress.step >= step
        ),
        LIMIT_S,
    )


def in_state(events, job, state, attempts=0):
    """Wait until a job's row says a state, and return the row."""
    return events.wait_for(
        lambda event: (
            isinstance(event, JobChanged)
            and event.job.id == job.id
            and event.job.state == state
            and event.job.attempts >= attempts
        ),
        LIMIT_S,
    ).job

"""What the queue's tests share: requests on real pictures, stores and services in a temporary home."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.engine.executor import Executor
from skyreels_tui.queue.engine.parts import TimeLeftEstimate, no_estimate
from skyreels_tui.queue.events import Event
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.queue.store.store import Store

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
PICTURE = str(SAMPLES / "astronaut.jpg")
WAIT_S = 20.0
"""Long enough for a loaded machine; nothing waits this long unless it fails."""


def make_request(**changes) -> ReferenceToVideo:
    """A small valid request."""
    values = {
        "ref_imgs": (PICTURE,),
        "prompt": "a walk",
        "duration": 1,
        "resolution": "128P",
        "profile": "demo",
    }
    return ReferenceToVideo(**(values | changes))


def entry(label: str = "", held: bool = False, batch: str = "", **changes) -> NewJob:
    """A job to add."""
    return NewJob(make_request(**changes), label, batch, held)


class Events:
    """Collects what a service publishes and waits for conditions."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.all.append(event)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Event], bool], within_s: float = WAIT_S) -> Event:
        """The first event, past or coming, for which the condition holds."""

        def find() -> Event | None:
            return next((event for event in self.all if condition(event)), None)

        with self._changed:
            assert self._changed.wait_for(lambda: find() is not None, within_s), "the event never came"
            found = find()
            assert found is not None
            return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "queue.db")
    yield opened
    opened.close()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})


@pytest.fixture
def open_service(folders: Folders, tmp_path: Path) -> Iterator[Callable[..., QueueService]]:
    """Opens services on one home, and closes them at the end."""
    opened: list[tuple[QueueService, object]] = []

    def open_one(
        executor: Executor | None = None,
        *,
        events: Events | None = None,
        start: bool = True,
        runs: bool = True,
        time_left: TimeLeftEstimate = no_estimate,
        clock: Callable[[], datetime] = datetime.now,
        **options,
    ) -> QueueService:
        chosen = executor or FakeExecutor(Script(num_steps=4))
        service = QueueService(
            folders,
            tmp_path / "result",
            events or Events(),
            executor=(lambda: chosen) if runs else None,
            options=QueueOptions(**options),
            time_left=time_left,
            clock=clock,
        )
        opened.append((service, chosen))
        if start:
            service.start()
        return service

    yield open_one
    for service, executor in opened:
        if isinstance(executor, FakeExecutor):
            executor.open_gate()
        with suppress(Exception):
            service.close(timeout_s=WAIT_S)

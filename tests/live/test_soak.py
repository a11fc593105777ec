"""What follows a queue stands still: hundreds of jobs later, a viewer and a lone panel hold no more than the rows."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.settings.settings import Settings
from tests.live.test_alone import NoMonitor

STRETCHES = (5, 15)
"""Jobs between two looks at the memory."""
JOB_BYTES = 8 * 1024
"""Of a row that a follower keeps of a job, with its lines in the log: what it may grow by for each."""


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("which", ["viewer", "progress", "log"])
async def test_memory_stands_still_while_jobs_pass(
    which: str, stretch: int, folders: Folders, photo: str, tmp_path: Path
) -> None:
    executor = FakeExecutor(Script(num_steps=3, preview=True))
    owner = QueueService(folders, tmp_path / "result", lambda event: None, executor=lambda: executor)
    request = ReferenceToVideo(prompt="a walk", ref_imgs=(photo,), resolution="128P", profile="demo")
    services = Services(folders, Settings(), tmp_path / "result")
    app = SkyreelsApp(services) if which == "viewer" else AloneApp(which, services, monitor=lambda app: NoMonitor())
    tracemalloc.start()
    try:
        owner.actions.add_many([NewJob(request, f"job {number}") for number in range(4 * stretch)])
        async with app.run_test(size=(120, 40)) as pilot:

            async def until(shown: int) -> int:
                while sum(job.state is JobState.DONE for job in app.board.jobs) < shown:
                    await asyncio.wait_for(pilot.pause(0.02), 30)
                gc.collect()
                return tracemalloc.get_traced_memory()[0]

            owner.start()
            held = [await until(count * stretch) for count in (1, 2, 3, 4)]
        # What a thread loads once falls into one stretch; what is kept of each job grows in all.
        grown = min(later - before for before, later in pairwise(held)) / stretch
        assert grown < JOB_BYTES, f"{grown:.0f} bytes a job"
    finally:
        tracemalloc.stop()
        owner.close()
        if isinstance(app, SkyreelsApp) and app.service is not None:
            app.service.close()

"""Full and broken disks under a real tiny model: snapshots, the encoder's piece and the finished file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.queue.events import JobProgress, LogLine
from skyreels_tui.queue.model import JobState
from tests.queue.conftest import Events, make_request
from tests.queue.points import watched_os

pytestmark = pytest.mark.usefixtures("small_pictures")
LONG_S = 120.0


class FaultyDisk(LocalExecutor):
    """Breaks one write an attempt, in the order of `faults`: 'snapshot', 'piece', 'result'."""

    def __init__(self, folders, faults: Iterator[str], code: int = errno.ENOSPC) -> None:
        super().__init__(folders, device="cpu")
        self._faults, self._code = faults, code

    def run(self, context):
        fault = next(self._faults, "")

        def report(progress: Progress) -> None:
            context.report(progress)
            # ffmpeg writes to a device that the kernel keeps full, so the error is a real one.
            if fault == "piece" and progress.stage == Stage.DECODE and progress.step == 0:
                (context.work_dir / "piece-00000.part.mp4").symlink_to("/dev/full")
            if fault == "result" and progress.stage == Stage.WRITE:
                folder = context.result_dir / context.job.task_type
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{context.output_stem}.part.mp4").symlink_to("/dev/full")

        def watch(when: str, operation: str, path: str) -> None:
            if (fault, when, operation) == ("snapshot", "before", "write") and "00002.safetensors" in path:
                raise OSError(self._code, os.strerror(self._code), path)

        with watched_os(context.work_dir, watch):
            return super().run(replace(context, report=report))


def test_a_full_disk_at_any_stage_of_a_real_job_waits_and_goes_on(open_service, folders):
    events = Events()
    service = open_service(FaultyDisk(folders, iter(["snapshot", "piece", "result"])), events=events, retry_s=0.01)
    job = service.actions.add(make_request(num_inference_steps=3), label="one")
    done = service.wait(job.id, LONG_S)
    assert (done.state, done.attempts) == (JobState.DONE, 4), done.error or done.reason
    told = [event.text for event in events.all if isinstance(event, LogLine) and event.level == "error"]
    assert len(told) == 3 and all("disk full" in text.lower() and "needs" in text for text in told), told
    steps = [e.progress.step for e in events.all if isinstance(e, JobProgress) and e.progress.stage == Stage.DENOISE]
    assert steps == [0, 1, 2, 1, 2, 3], "goes on at step 1, which is stored; no stored step is computed again"
    folder = Path(done.output).parent
    assert sorted(path.suffix for path in folder.glob("*one*")) == [".json", ".mp4"], "no torn file stays"


def test_a_broken_disk_fails_the_job_in_words_and_the_queue_goes_on(open_service, folders):
    service = open_service(FaultyDisk(folders, iter(["snapshot"]), errno.EIO))
    job, other = (service.actions.add(make_request(num_inference_steps=2), label=name) for name in ("one", "two"))
    failed = service.wait(job.id, LONG_S)
    assert failed.state == JobState.FAILED
    assert os.strerror(errno.EIO) in failed.error and "snapshot" in failed.error
    assert service.wait(other.id, LONG_S).state == JobState.DONE


def test_a_quota_is_asked_about_after_some_tries(open_service):
    """The disk has room and yet refuses to write: waiting for room would wait for ever."""
    words = os.strerror(errno.EDQUOT)
    error = OSError(errno.EDQUOT, words)

    class Quota(FakeExecutor):
        spent = True

        def run(self, context):
            if self.spent:
                raise error
            return super().run(context)

    executor = Quota(Script())
    service = open_service(executor, retry_s=0.01)
    job, other = service.actions.add(make_request()), service.actions.add(make_request())
    held = service.wait(job.id, LONG_S)
    assert held.state == JobState.HELD and "quota" in str(held.reason) and words in str(held.reason)
    executor.spent = False
    service.actions.release(job.id)
    assert service.wait(job.id, LONG_S).state == JobState.DONE
    assert service.wait(other.id, LONG_S).state in (JobState.DONE, JobState.HELD), "it does not wait behind the first"

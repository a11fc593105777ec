"""What every executor must keep: the contract that the runner relies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.front.errors import Cancelled, PipelineError
from pipelines.front.progress import Progress, Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.executors.local import LocalExecutor, with_last_frames
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import Job, JobState
from tests.queue.conftest import PICTURE, make_request

pytestmark = pytest.mark.usefixtures("small_pictures")


class ExecutorContract:
    """Subclasses say how to make one."""

    steps = 3

    @pytest.fixture(scope="class")
    @classmethod
    def executor(cls, tmp_path_factory):
        made = cls.make(tmp_path_factory.mktemp("executor"))
        yield made
        made.close()

    @classmethod
    def make(cls, folder: Path):
        raise NotImplementedError

    def context(self, folder: Path, report, **changes) -> JobContext:
        request = make_request(num_inference_steps=self.steps, **changes)
        job = Job(7, "seven", "reference_to_video", request.to_json(), JobState.RUNNING, 1.0, "")
        work = folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        return JobContext(job, report, work, folder / "result", "0007-seven", lambda: False, lambda _: None)

    def test_a_job_reports_its_steps_in_order_and_leaves_a_file(self, executor, tmp_path):
        seen: list[Progress] = []
        output = executor.run(self.context(tmp_path, seen.append))
        steps = [one.step for one in seen if one.stage == Stage.DENOISE]
        assert steps == list(range(self.steps + 1))
        assert output.path == tmp_path / "result" / "reference_to_video" / "0007-seven.mp4"
        assert output.path.is_file() and output.num_frames > 0

    def test_stopping_at_a_step_and_going_on_gives_the_same_file(self, executor, tmp_path):
        whole = executor.run(self.context(tmp_path / "whole", lambda _: None)).path.read_bytes()

        def stop_at_two(progress: Progress) -> None:
            if progress.stage == Stage.DENOISE and progress.step == 2:
                raise Cancelled

        folder = tmp_path / "stopped"
        with pytest.raises(Cancelled):
            executor.run(self.context(folder, stop_at_two))
        assert not list(folder.rglob("result/**/*.mp4"))
        again: list[Progress] = []
        output = executor.run(self.context(folder, again.append))
        assert 1 not in [one.step for one in again if one.stage == Stage.DENOISE]
        assert output.path.read_bytes() == whole


class TestFake(ExecutorContract):
    @classmethod
    def make(cls, folder: Path):
        return FakeExecutor(Script(num_steps=cls.steps))


class TestLocal(ExecutorContract):
    @classmethod
    def make(cls, folder: Path):
        from skyreels_tui.files.folders import find_folders

        folders = find_folders({"SKYREELS_TUI_HOME": str(folder / "home")})
        folders.create()
        return LocalExecutor(folders, device="cpu")

    def test_a_request_that_cannot_run_is_refused_in_words(self, executor, tmp_path):
        with pytest.raises(PipelineError, match=r"nowhere\.png"):
            executor.run(self.context(tmp_path, lambda _: None, ref_imgs=("nowhere.png",)))


def test_a_video_in_a_picture_field_gives_its_last_frame(tmp_path):
    import numpy as np
    from PIL import Image

    from pipelines.media.write.video import VideoWriter

    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, 128, 128, 24) as writer:
        for level in (10, 100, 240):
            writer.write(np.full((8, 128, 128, 3), level, dtype=np.uint8))
    changed = with_last_frames(make_request(ref_imgs=(PICTURE, str(clip))), tmp_path)
    assert changed.ref_imgs[0] == PICTURE
    assert abs(int(np.asarray(Image.open(changed.ref_imgs[1])).mean()) - 240) < 6

from __future__ import annotations

import mmap
import time
from pathlib import Path

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.watching.follower import Follower

HELD = EngineMemory(weights_bytes=37, allocated_bytes=41, reserved_bytes=50, peak_bytes=58)


def test_what_the_engine_holds_is_known_here_and_in_other_processes(
    folders: Folders, photo: str, tmp_path: Path
) -> None:
    executor = FakeExecutor(Script(num_steps=2))
    executor.holds = HELD
    owner = QueueService(folders, tmp_path / "result", lambda event: None, executor=lambda: executor)
    viewer = QueueService(folders, tmp_path / "result", lambda event: None)
    assert (owner.engine_memory(), viewer.engine_memory()) == (None, None)
    owner.start()
    request = ReferenceToVideo(prompt="a", ref_imgs=(photo,), resolution="128P", duration=1, profile="demo")
    owner.wait(owner.actions.add(request).id, 20.0)
    deadline = time.monotonic() + 10.0
    while owner.running_jobs and time.monotonic() < deadline:
        owner.wait_idle(1.0)
    follower = Follower(folders, lambda event: None)
    assert owner.engine_memory() == viewer.engine_memory() == follower.engine_memory() == HELD
    assert HELD.spare_bytes == 9
    owner.close()
    viewer.close()


def test_a_new_owner_forgets_what_the_last_one_held(folders: Folders, tmp_path: Path) -> None:
    LiveFiles(folders.live).write_memory(HELD)
    owner = QueueService(folders, tmp_path / "result", lambda event: None, executor=FakeExecutor)
    assert LiveFiles(folders.live).read_memory() is None
    owner.start()
    owner.close()


def test_a_damaged_file_says_nothing(folders: Folders) -> None:
    (folders.live / "memory.json").write_text('{"weights_bytes": 1, "nonsense": 2}')
    assert LiveFiles(folders.live).read_memory() is None


def test_a_cpu_engine_says_its_weights_and_the_most_it_has_held(tmp_path: Path) -> None:
    import torch

    from pipelines.running.pool import ModelPool
    from skyreels_tui.executors.memory import MemoryKeeper

    pool = ModelPool()
    with pool.use("a", lambda: torch.nn.Linear(1000, 1000, bias=False)):
        keeper = MemoryKeeper("cpu", tmp_path / "peaks.json", 0)
        keeper.begin()
        before = keeper.held(pool)
        # Not from the heap: what earlier tests freed there may be held still, and taking it again adds nothing.
        with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
            block.write(b"1" * len(block))
            high = keeper.held(pool)
        after = keeper.held(pool)
    assert before.weights_bytes == 4_000_000
    assert high.allocated_bytes - before.allocated_bytes > 50 * 2**20
    assert after.peak_bytes >= high.allocated_bytes > after.allocated_bytes

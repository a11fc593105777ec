"""The machine loses power: only what was fsynced survives."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.front.durable import write_whole
from pipelines.front.progress import Progress
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry, make_request
from tests.queue.points import watched_os
from tests.queue.sqlite_shim import OK, shimmed


class Disk:
    """What would be left of a folder: file contents as of their last fsync, names as of their folder's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}

    def synced(self, path: Path) -> None:
        """A file or folder was fsynced."""
        if path.is_dir():
            self._names[path] = {one.name: one.stat().st_ino for one in path.iterdir()}
        else:
            self._contents[path.stat().st_ino] = path.read_bytes()

    def sync_sqlite(self, path: Path) -> None:
        """SQLite syncs a new file's folder together with the file."""
        self.synced(path)
        self._names.setdefault(path.parent, {})[path.name] = path.stat().st_ino

    def fingerprint(self) -> tuple[object, ...]:
        """Equal for equal survivors."""
        return tuple(sorted((inode, hash(data)) for inode, data in self._contents.items()))

    def survivors(self, target: Path, *, names_first: bool = False) -> Path:
        """Write what survived to `target`; a file whose name but not content was synced is full of zeros.

        `names_first` is the other order that file systems choose: every rename so far has reached the disk.
        """
        target.mkdir(parents=True)
        kept = {self.root: {one.name: one.stat().st_ino for one in self.root.iterdir()}} if names_first else self._names
        for folder, names in kept.items():
            if not folder.is_relative_to(self.root):
                continue
            for name, inode in names.items():
                if (folder / name) in self._names:
                    continue
                out = target / folder.relative_to(self.root) / name
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_bytes(self._contents.get(inode, bytes(64)))
        return target


def test_every_acknowledged_change_survives_at_every_write_of_the_database(tmp_path):
    """Cut at each write and sync of SQLite: the queue holds every acknowledged change, and nothing torn."""
    home = tmp_path / "home"
    home.mkdir()
    disk, acknowledged, cuts, seen = Disk(home), [], [], set()

    def hook(when: str, operation: str, path: str) -> int:
        file = Path(path)
        if when == "after" and operation == "sync" and not path.endswith("-shm"):
            disk.sync_sqlite(file)
        # Between two syncs nothing more survives, so one image each is enough.
        state = (len(acknowledged), disk.fingerprint())
        if acknowledged and state not in seen:
            seen.add(state)
            left = disk.survivors(tmp_path / "cut" / str(len(cuts)))
            cuts.append((len(acknowledged), left, f"{when} {operation}"))
        return OK

    def watch(when: str, operation: str, path: str) -> None:
        if when == "after" and operation == "fsync":
            disk.synced(Path(path))

    with watched_os(home, watch), shimmed(hook), closing(open_store(home / "queue.db")) as store:
        jobs = store.add_many([entry(str(n)) for n in range(3)])
        acknowledged.append([job.state for job in store.list()])
        first, second, third = (job.id for job in jobs)
        changes = [
            lambda: store.hold(second),
            lambda: store.move(third, -2),
            lambda: store.edit(first, make_request(seed=5)),
            lambda: store.attempts.claim([third]),
            lambda: store.attempts.update_step(
                third, stage="denoise", step=1, num_steps=4, segment=0, num_segments=1, run_seconds=1
            ),
            lambda: store.cancel(first),
            lambda: store.attempts.finish(third, output="x.mp4", suspect="", run_seconds=2),
            lambda: store.add(entry("late")),
        ]
        rows = [snapshot(store)]
        for change in changes:
            change()
            rows.append(snapshot(store))
            acknowledged.append(None)
    assert len(cuts) >= 2 * len(changes)
    for known, left, where in cuts:
        with closing(open_store(left / "queue.db")) as store:
            found = snapshot(store)
        # The change under way may be there too: it was not acknowledged, but it may have reached the disk.
        assert found in rows[known - 1 : known + 1], (known, where)


def snapshot(store) -> list[object]:
    return [(job.id, job.state, job.position, job.request_json, job.step, job.output) for job in store.list()]


def test_a_reported_step_survives(tmp_path):
    """After each report of a step, the survivors of the work folder hold that step."""
    root = tmp_path / "work"
    root.mkdir()
    disk, found = Disk(root), []

    def watch(when: str, operation: str, path: str) -> None:
        if when == "after" and operation == "fsync":
            disk.synced(Path(path))

    def report(progress: Progress) -> None:
        if progress.step:
            left = disk.survivors(tmp_path / f"cut{progress.step}")
            found.append(((left / "fake.json").read_text(), progress.step))
            shutil.rmtree(left)

    from skyreels_tui.queue.model import Job

    job = Job(1, "x", "reference_to_video", make_request().to_json(), JobState.RUNNING, 1.0, "")
    context = JobContext(job, report, root, tmp_path / "result", "x", lambda: False, lambda _: None)
    with watched_os(tmp_path, watch):
        FakeExecutor(Script(num_steps=5)).run(context)
    assert found == [(f'{{"step": {step}}}', step) for step in range(1, 6)]


def test_a_step_written_beside_the_next_is_whole_or_the_one_before_is(tmp_path):
    """Cut at each operation of the thread that writes: what was taken before the newest step is on the disk, whole."""
    import torch

    from pipelines.running.resume import Snapshot, WorkDir

    root = tmp_path / "work"
    disk, taken, cuts = Disk(root), [0], []
    steps = [torch.full((1, 16, 3, 8, 8), float(step)) for step in range(6)]

    def watch(when: str, operation: str, path: str) -> None:
        if (when, operation) == ("after", "fsync"):
            disk.synced(Path(path))
        for names_first in (False, True):
            least = taken[0] - 1
            left = WorkDir(disk.survivors(tmp_path / "cut", names_first=names_first))
            newest = left.latest()
            found = 0 if newest is None else newest.step
            cuts.append((least, found))
            assert newest is None or torch.equal(newest.tensors["latents"], steps[found])
            shutil.rmtree(left.path)

    work = WorkDir(root)
    with watched_os(root, watch), work.saving_beside() as save:
        for step in range(1, 6):
            save(Snapshot(0, step, {"latents": steps[step].clone()}))
            taken[0] = step
    assert work.latest().step == 5
    assert len(cuts) > 5 * 4
    assert all(found >= least for least, found in cuts), cuts


@pytest.mark.parametrize("seed", range(3))
def test_a_durable_file_is_old_or_new_whenever_the_power_goes(tmp_path, seed):
    """The helper behind every small file: at each operation the survivor is one whole version."""
    root = tmp_path / "files"
    root.mkdir()
    target, disk, seen = root / "state.json", Disk(root), []
    versions = [os.urandom(random.Random(seed).randint(1, 9000)) for _ in range(4)]

    def watch(when: str, operation: str, path: str) -> None:
        if when == "after" and operation == "fsync":
            disk.synced(Path(path))
        left = disk.survivors(tmp_path / f"cut{len(seen)}") / "state.json"
        seen.append(left.read_bytes() if left.exists() else None)

    with watched_os(root, watch):
        for version in versions:
            write_whole(target, version)
            assert seen[-1] == version, "acknowledged means durable"
    assert set(seen) == {None, *versions}


def test_steps_and_pieces_of_a_real_job_survive(tmp_path):
    """Cut at each operation of a work folder: a whole newest step, whole pieces in order, nothing torn."""
    import torch

    from pipelines.running.resume import Snapshot, WorkDir

    root = tmp_path / "work"
    disk, known, cuts = Disk(root), {"step": 0, "pieces": 0, "inputs": False}, []
    steps = [torch.full((1, 16, 3, 8, 8), float(step)) for step in range(5)]
    films = [bytes([index]) * 9000 for index in range(3)]
    source = tmp_path / "input.png"
    source.write_bytes(b"input")

    def watch(when: str, operation: str, path: str) -> None:
        if (when, operation) == ("after", "fsync"):
            disk.synced(Path(path))
        for names_first in (False, True):
            left = WorkDir(disk.survivors(tmp_path / "cut", names_first=names_first))
            newest = left.latest()
            found = 0 if newest is None else newest.step
            assert found in (known["step"], known["step"] + 1), (when, operation, path)
            assert newest is None or torch.equal(newest.tensors["latents"], steps[found]), (when, operation, path)
            whole = [piece.read_bytes() for piece in left.pieces()]
            assert whole in (films[: known["pieces"]], films[: known["pieces"] + 1]), (when, operation, path)
            assert not known["inputs"] or (left.path / "inputs.json").stat().st_size
            left.check_inputs()
            shutil.rmtree(left.path)
        cuts.append(operation)

    work = WorkDir(root)
    with watched_os(root, watch):
        work.remember_inputs([source])
        known["inputs"] = True
        for step in range(1, 5):
            work.save(Snapshot(0, step, {"latents": steps[step]}, {"seed": 7}))
            known["step"] = step
        for index, film in enumerate(films):
            # Written by another process, whose bytes nobody has synced.
            work.piece_path(index).write_bytes(film)
            work.commit_piece(work.piece_path(index), index)
            known["pieces"] = index + 1
    assert {"create", "write", "fsync", "rename", "unlink"} <= set(cuts) and len(cuts) > 60

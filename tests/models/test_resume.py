"""Durable steps: schedulers, snapshots, inputs and the pool."""

import errno
import os
import threading

import pytest
import torch

from pipelines.front.errors import Cancelled, DiskFull, InputChanged
from pipelines.running.pool import ModelPool
from pipelines.running.resume import Snapshot, WorkDir
from pipelines.sampling.denoise import Hooks, denoise, resume_scheduler
from pipelines.sampling.schedulers import (
    FlowEuler,
    FlowUniPC,
    avatar_schedule,
    extension_schedule,
    reference_schedule,
)

SCHEDULERS = [
    lambda: FlowUniPC(reference_schedule(8)),
    lambda: FlowUniPC(extension_schedule(5)),
    lambda: FlowEuler(avatar_schedule(4)),
]


def predict(latents, timestep):
    return torch.sin(latents * 3 + timestep / 100)


def start():
    return torch.randn(1, 4, 3, 2, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("make", SCHEDULERS)
def test_stopping_at_any_step_gives_the_same_bytes(tmp_path, make):
    whole = denoise(start(), make(), predict)
    for stop in range(1, len(make().timesteps) + 1):
        work = WorkDir(tmp_path / str(stop))

        def report(progress, stop=stop):
            if progress.step == stop:
                raise Cancelled

        with pytest.raises(Cancelled):
            denoise(start(), make(), predict, Hooks(work=work, report=report, kept={"c": torch.ones(2)}))
        stored, scheduler = WorkDir(work.path).latest(), make()
        assert stored.step == stop
        latents, kept = resume_scheduler(stored, scheduler, "cpu")
        assert torch.equal(kept["c"], torch.ones(2))
        assert torch.equal(denoise(latents, scheduler, predict), whole)


def test_a_step_does_not_wait_for_its_snapshot_and_the_next_one_does(tmp_path, monkeypatch):
    """Written by a thread: reported while it is being written, on the disk before the next is taken."""
    may_write, written = threading.Event(), []
    save = WorkDir.save

    def slow(self, snapshot):
        assert may_write.wait(20)
        save(self, snapshot)
        written.append(snapshot.step)

    monkeypatch.setattr(WorkDir, "save", slow)
    told = []

    def report(progress):
        told.append((progress.step, list(written)))
        may_write.set()
        if progress.step == 1:
            assert len(written) <= 1

    denoise(start(), SCHEDULERS[0](), predict, Hooks(work=WorkDir(tmp_path), report=report))
    assert written == list(range(1, 9))
    assert all(len(before) >= step - 1 for step, before in told)


def test_a_snapshot_is_of_its_moment(tmp_path):
    """Whoever goes on with the tensors and values changes no file."""
    work, latents, values = WorkDir(tmp_path), torch.zeros(4), {"state": [1]}
    with work.saving_beside() as save:
        save(Snapshot(0, 1, {"latents": latents}, values))
        latents.fill_(9)
        values["state"][0] = 9
    stored = work.latest()
    assert torch.equal(stored.tensors["latents"], torch.zeros(4))
    assert stored.values == {"state": [1]}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_fills_up_while_a_step_runs_ends_the_job(tmp_path, monkeypatch, at):
    """Said by the next step's snapshot, or at the end; the steps before stay."""
    save, work = WorkDir.save, WorkDir(tmp_path)

    def full(self, snapshot):
        if snapshot.step >= at:
            raise DiskFull(self.path, 100, 0)
        save(self, snapshot)

    monkeypatch.setattr(WorkDir, "save", full)
    scheduler = FlowUniPC(reference_schedule(3))
    with pytest.raises(DiskFull):
        denoise(start(), scheduler, predict, Hooks(work=work))
    assert scheduler.step_index <= at + 1
    stored = work.latest()
    assert (stored.step if stored else 0) == at - 1


def test_published_schedules():
    assert reference_schedule(8).timesteps == (999, 972, 937, 892, 833, 749, 624, 416)
    assert extension_schedule(8).timesteps == (999, 982, 959, 930, 888, 827, 727, 533)
    assert avatar_schedule(4).timesteps == pytest.approx((1000, 956.58411, 846.54370, 10.89109))


def test_damaged_snapshots_are_passed_over_and_two_are_kept(tmp_path):
    work = WorkDir(tmp_path)
    for step in range(1, 5):
        work.save(Snapshot(0, step, {"latents": torch.full((2,), float(step))}, {"state": [step]}))
    files = sorted(tmp_path.glob("snapshot-*"))
    assert len(files) == 2
    files[-1].write_bytes(files[-1].read_bytes()[:-3])
    stored = work.latest()
    assert (stored.step, stored.values["state"]) == (3, [3])
    files[0].write_bytes(b"")
    assert work.latest() is None


def test_a_later_segment_wins(tmp_path):
    work = WorkDir(tmp_path)
    work.save(Snapshot(0, 8, {"latents": torch.zeros(1)}))
    work.save(Snapshot(1, 2, {"latents": torch.ones(1)}))
    assert work.latest().segment == 1


def test_changed_inputs_are_noticed(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"one")
    work = WorkDir(tmp_path / "work")
    work.remember_inputs([picture])
    work.check_inputs()
    picture.write_bytes(b"two")
    work.remember_inputs([picture])
    with pytest.raises(InputChanged):
        work.check_inputs()


def test_pieces_come_in_order_up_to_a_gap(tmp_path):
    work = WorkDir(tmp_path)
    for index in (0, 1, 3):
        work.piece_path(index).write_bytes(b"x")
        work.commit_piece(work.piece_path(index), index)
    assert [path.name for path in work.pieces()] == ["piece-00000.mp4", "piece-00001.mp4"]


def test_pool_keeps_models_warm_within_its_budget():
    pool, built = ModelPool(budget_bytes=1000), []

    def build(name):
        built.append(name)
        return torch.nn.Linear(100, 1)  # 404 bytes

    for name in ("a", "b", "a", "c", "b"):
        with pool.use(name, lambda name=name: build(name)):
            pass
    assert built == ["a", "b", "c", "b"]
    assert pool.num_bytes() <= 1000
    with pool.use("a", lambda: build("a")):
        pool.release()
        assert pool.is_warm("a")
    pool.release()
    assert pool.num_bytes() == 0


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    work = WorkDir(tmp_path)
    work.save(Snapshot(0, 1, {"latents": torch.zeros(4)}))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        work.save(Snapshot(0, 2, {"latents": torch.zeros(4)}))
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot-00000-00001.safetensors"]
    assert work.latest().step == 1

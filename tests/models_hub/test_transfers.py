"""Transfers without a screen: their order, what stops them, what they say at the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.download.fetch import download
from pipelines.checkpoints.download.hub import plan_download
from pipelines.checkpoints.download.meter import Moved
from pipelines.checkpoints.registry import CHECKPOINTS
from skyreels_tui.downloads.elsewhere import TransferFile
from skyreels_tui.downloads.transfers import Transfer, TransferKind, Transfers, TransferState
from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.ui.widgets.transfer_words import home_line
from tests.models_hub.conftest import V2V_FILES, FakeHub, Repo, r2v_files

PUBLIC, V2V = CHECKPOINTS["r2v"].repo_ids[0], CHECKPOINTS["v2v"].repo_ids[0]
WEIGHTS = "vae/diffusion_pytorch_model.safetensors"
R2V = Transfer(TransferKind.DOWNLOAD, "r2v")


def agreed(family: str = "r2v", *tasks: str) -> Transfer:
    """A download whose plan somebody has said yes to."""
    return Transfer(TransferKind.DOWNLOAD, family, tasks, plan_download(CHECKPOINTS[family], tasks))


class Service:
    """Transfers and everything that they told."""

    def __init__(self, book: Path) -> None:
        self.told: list[tuple[Transfer, ...]] = []
        self._changed = threading.Condition()
        self.transfers = Transfers(DamageBook(book), self._hear)

    def _hear(self, transfers: tuple[Transfer, ...]) -> None:
        with self._changed:
            self.told.append(transfers)
            self._changed.notify_all()

    def until(self, condition: Callable[[tuple[Transfer, ...]], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.told and condition(self.told[-1]), 20), self.told[-1:]

    def of(self, family: str) -> Transfer:
        return next(one for one in self.transfers.all if one.family == family)

    def ended(self, transfer: Transfer) -> Transfer:
        self.transfers.add(transfer)
        assert self.transfers.wait_ended(20)
        return self.of(transfer.family)


@pytest.fixture
def service(hub: FakeHub, tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "state" / "damaged.json")
    yield made
    made.transfers.close(timeout_s=20)


def fetched(hub: FakeHub) -> Path:
    hub.repos[PUBLIC] = Repo(r2v_files())
    return download(plan_download(CHECKPOINTS["r2v"]), lambda _: None)


def test_a_download_tells_its_bytes_and_ends_done(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    done = service.ended(agreed())
    assert (done.state, done.said) == (TransferState.DONE, "9 files are here")
    assert done.moved is not None
    assert done.moved.percent == 100
    assert [told[0].state for told in service.told][:2] == [TransferState.WAITING, TransferState.RUNNING]
    assert hub.tokens == {"Bearer hf_test"}


def test_one_after_the_other_in_the_order_of_asking(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC], hub.repos[V2V] = Repo(r2v_files()), Repo(V2V_FILES)
    hub.flows.clear()
    service.transfers.add(agreed())
    service.transfers.add(agreed("v2v", "single_shot_extension"))
    service.until(lambda told: [one.state for one in told] == [TransferState.RUNNING, TransferState.WAITING])
    hub.flows.set()
    assert service.transfers.wait_ended(20)
    assert not any(sum(one.state is TransferState.RUNNING for one in told) > 1 for told in service.told)
    assert [one.state for one in service.transfers.all] == [TransferState.DONE] * 2
    assert not any(name.startswith("shot_transformer") for name, _ in hub.requests)


def test_a_busy_one_is_not_begun_twice(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    hub.flows.clear()
    transfer = agreed()
    service.transfers.add(transfer)
    service.until(lambda told: told[0].state is TransferState.RUNNING)
    service.transfers.add(transfer)
    assert service.of("r2v").state is TransferState.RUNNING
    hub.flows.set()
    assert service.transfers.wait_ended(20)


def test_what_failed_can_go_on(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = agreed()
    hub.repos.clear()
    failed = service.ended(plan)
    assert failed.state is TransferState.FAILED
    assert "does not exist on the hub (404)" in failed.said
    hub.repos[PUBLIC] = Repo(r2v_files())
    service.transfers.go_on("r2v")
    assert service.transfers.wait_ended(20)
    assert service.of("r2v").state is TransferState.DONE


def test_the_plan_that_was_agreed_is_what_is_fetched(service: Service, hub: FakeHub, tmp_path: Path) -> None:
    """Files that came to the repository after the yes are nobody's wish."""
    hub.repos[PUBLIC] = Repo(r2v_files())
    transfer = agreed()
    hub.repos[PUBLIC] = Repo({**r2v_files(), "vae/more.safetensors": bytes(90_000)})
    assert service.ended(transfer).state is TransferState.DONE
    assert transfer.plan is not None
    assert {name for name, _ in hub.requests} == {entry.file.path for entry in transfer.plan.files}


def test_a_hub_whose_files_grew_since_the_yes_is_asked_again(service: Service, hub: FakeHub, tmp_path: Path) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    transfer = agreed()
    hub.repos[PUBLIC] = Repo({name: content * 40 for name, content in r2v_files().items()})
    failed = service.ended(transfer)
    assert failed.state is TransferState.FAILED
    assert "differently from what was agreed" in failed.said and "ask it again" in failed.said
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").glob("*/blobs/*"))
    assert transfer.plan is not None and kept <= transfer.plan.missing_bytes
    hub.requests.clear()
    assert service.ended(agreed()).state is TransferState.DONE


def test_files_that_go_after_the_yes_are_not_fetched_unasked(service: Service, hub: FakeHub) -> None:
    folder = fetched(hub)
    (folder / "vae/config.json").resolve().unlink()
    transfer = agreed()
    (folder / WEIGHTS).resolve().unlink()
    hub.requests.clear()
    failed = service.ended(transfer)
    assert failed.state is TransferState.FAILED
    assert "would have to be fetched where 4 B were agreed" in failed.said
    assert hub.requests == []


def test_what_was_paused_goes_on_with_its_plan_and_asks_the_hub_for_no_other(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files(200_000))
    hub.chunk, hub.trickle_from = 1 << 13, 100_000
    service.transfers.add(agreed())
    service.until(lambda told: told[0].moved is not None and told[0].moved.done_bytes > 50_000)
    service.transfers.pause("r2v")
    assert service.transfers.wait_ended(20)
    hub.trickle_from = 0
    hub.answers.clear()
    service.transfers.go_on("r2v")
    assert service.transfers.wait_ended(20)
    assert service.of("r2v").state is TransferState.DONE


def test_a_check_of_half_a_checkpoint_does_not_miss_the_other_half(service: Service, hub: FakeHub) -> None:
    hub.repos[V2V] = Repo({**V2V_FILES, "models_t5_umt5-xxl-enc-bf16.pth": b"old container" * 9})
    folder = download(plan_download(CHECKPOINTS["v2v"], ["single_shot_extension"]), lambda _: None)
    done = service.ended(Transfer(TransferKind.VERIFY, "v2v", folder=folder))
    assert (done.state, done.said) == (TransferState.DONE, "5 files checked: as they should be")


def test_a_check_names_the_first_fault_and_counts_the_rest(service: Service, hub: FakeHub) -> None:
    folder = fetched(hub)
    for name in (WEIGHTS, "tokenizer/tokenizer.json"):
        (folder / name).resolve().write_bytes(b"{}")
    (folder / "text_encoder/model.safetensors").unlink()
    ended = service.ended(Transfer(TransferKind.VERIFY, "r2v", folder=folder))
    assert ended.state is TransferState.FAILED
    assert ended.said.endswith(", and 2 more")


def test_a_check_can_be_stopped_and_begun_again(service: Service, hub: FakeHub) -> None:
    folder = fetched(hub)
    asked: list[str] = []

    def pause_once(told: tuple[Transfer, ...]) -> None:
        if not asked and any(one.moved is not None and one.moved.checking for one in told):
            asked.append("r2v")
            transfers.pause("r2v")

    transfers = Transfers(DamageBook(service.transfers._book.path), pause_once)
    transfers.add(Transfer(TransferKind.VERIFY, "r2v", folder=folder))
    assert transfers.wait_ended(20)
    assert transfers.all[0].state is TransferState.PAUSED
    transfers.go_on("r2v")
    assert transfers.wait_ended(20)
    assert transfers.all[0].state is TransferState.DONE


def test_nothing_begins_after_the_end(service: Service, hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    service.transfers.close()
    service.transfers.add(agreed())
    assert service.transfers.all == ()
    assert hub.requests == []


def test_the_home_line() -> None:
    assert home_line([R2V]) == ""
    running = Transfer(TransferKind.DOWNLOAD, "r2v", state=TransferState.RUNNING)
    assert home_line([running]) == "model …"
    moved = Transfer(TransferKind.DOWNLOAD, "r2v", state=TransferState.RUNNING, moved=Moved(34, 100, 1.0, 720.0))
    assert home_line([R2V, moved]) == "model 34 % · 12 min"


# What other windows see


def test_another_window_reads_every_figure_until_the_end(tmp_path: Path) -> None:
    clock = [1000.0]
    here, there = (TransferFile(tmp_path, now=lambda: BootTime("one", clock[0])) for _ in range(2))
    moved = Moved(10, 100, 2.5, 36.0, (("vae/w.safetensors", 5, 50),), trouble="no line")
    running = Transfer(
        TransferKind.DOWNLOAD, "r2v", ("reference_to_video",), state=TransferState.RUNNING, moved=moved, said="tried"
    )
    here.write([running, replace(running, family="v2v", state=TransferState.PAUSED)])
    assert here.others() == ()
    assert there.others() == (replace(running, elsewhere=True),), "what is paused can go on anywhere"
    here.write([replace(running, moved=replace(moved, done_bytes=20))])
    assert there.others()[0].moved == moved, "not more often than once a second"
    clock[0] += 1
    here.write([replace(running, moved=replace(moved, done_bytes=20))])
    assert there.others()[0].moved == replace(moved, done_bytes=20)
    here.write([replace(running, state=TransferState.DONE)])
    assert there.others() == () and list(tmp_path.iterdir()) == []


def test_a_window_that_was_killed_is_forgotten_and_a_strange_file_says_nothing(tmp_path: Path) -> None:
    clock = [1000.0]
    killed, there = (TransferFile(tmp_path, now=lambda: BootTime("one", clock[0])) for _ in range(2))
    check = Transfer(TransferKind.VERIFY, "r2v", folder=tmp_path, state=TransferState.RUNNING)
    killed.write([check])
    for number, content in enumerate(('{"a', "[1]", '[{"kind": "dance"}]', '{"kind": 1}')):
        (tmp_path / f"transfers-{number}.json").write_text(content)
    assert there.others() == (replace(check, folder=None, elsewhere=True),)
    clock[0] += 60
    assert there.others() == () and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("jump_s", [365 * 86400.0, -365 * 86400.0])
def test_a_wall_clock_that_is_set_ends_no_row_and_revives_none(tmp_path: Path, jump_s: float) -> None:
    """A copy of the files with the dates that a wrong clock would have given them."""
    clock = [1000.0]
    here, there = (TransferFile(tmp_path, now=lambda: BootTime("one", clock[0])) for _ in range(2))
    here.write([replace(R2V, state=TransferState.RUNNING)])
    [path] = tmp_path.iterdir()
    os.utime(path, (path.stat().st_mtime + jump_s,) * 2)
    assert [transfer.family for transfer in there.others()] == ["r2v"]
    clock[0] += 16
    os.utime(path)
    assert there.others() == () and not path.exists(), "silent, however young its date"


def test_a_row_of_the_last_boot_is_none(tmp_path: Path) -> None:
    TransferFile(tmp_path, now=lambda: BootTime("one", 10.0)).write([replace(R2V, state=TransferState.RUNNING)])
    assert TransferFile(tmp_path, now=lambda: BootTime("two", 12.0)).others() == ()


def test_a_folder_that_takes_nothing_stops_nothing(tmp_path: Path) -> None:
    there = TransferFile(tmp_path / "missing")
    there.write([replace(R2V, state=TransferState.RUNNING)])
    assert there.others() == ()

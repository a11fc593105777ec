"""The models screen by its keys, against a hub on this machine: fetch, pause, go on, check, delete, own folders."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.download.hub import plan_download
from pipelines.checkpoints.registry import CHECKPOINTS
from skyreels_tui.downloads.elsewhere import TransferFile
from skyreels_tui.downloads.transfers import Transfer, TransferKind, Transfers, TransferState
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.screens.models.fetch import FetchScreen, Offer
from skyreels_tui.ui.screens.models.models import ModelsScreen
from skyreels_tui.words.sizes import size
from tests.models_hub.conftest import V2V_FILES, FakeHub, Repo, r2v_files
from tests.ui.conftest import start  # noqa: F401 - a fixture

PUBLIC, ALIAS = CHECKPOINTS["r2v"].repo_ids
V2V = CHECKPOINTS["v2v"].repo_ids[0]
WEIGHTS = "vae/diffusion_pytorch_model.safetensors"
LARGE = 400_000


def row(s, name: str = "R2V") -> str:
    return next(line for line in s.text.splitlines() if f"SkyReels-V3-{name}" in line and "Fetch" not in line)


async def opened(s) -> None:
    await s.press("M")
    await s.shows("SkyReels-V3-A2V-19B")
    await s.until(lambda: "w Fetch" in s.footer or "v Verify" in s.footer)


async def fetch(s, key: str = "y") -> None:
    """Ask and agree."""
    await s.press("w")
    await s.shows("to fetch")
    await s.press(key)
    await s.until(lambda: isinstance(s.app.screen, ModelsScreen))


def slow(hub: FakeHub) -> None:
    """The first quarter comes at once, the rest would take hours."""
    hub.chunk, hub.trickle_from = 1 << 13, LARGE // 4


def fast(hub: FakeHub) -> None:
    hub.trickle_from = 0


def state(s, family: str = "r2v") -> TransferState | None:
    return next((one.state for one in s.app.services.transfers.all if one.family == family), None)


async def test_a_download_goes_on_on_other_screens(start, hub):  # noqa: F811
    hub.repos[ALIAS] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start((80, 24)) as s:
        await opened(s)
        assert "missing" in row(s)
        await s.press("w")
        await s.shows("Fetch SkyReels-V3-R2V-14B?")
        assert f"{PUBLIC} does not exist on the hub (404)" in s.text
        assert "Skywork Community License" in s.text
        assert "everything: 1.53 MiB to fetch" in s.text
        assert hub.requests == []
        await s.press("y")
        await s.shows("fetching")
        await s.until(lambda: "KiB/s" in s.text or "MiB/s" in s.text, "a rate")
        await s.until(lambda: "coder/model.safetensors" in s.text, "a file in flight")
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, HomeScreen))
        await s.until(lambda: "model " in s.text.splitlines()[0] and " % · " in s.text.splitlines()[0], "the percent")
        await s.press("M")
        await s.until(lambda: "fetching" in row(s))
        fast(hub)
        await s.until(lambda: "present" in row(s))
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, HomeScreen))
        assert "model" not in s.text.splitlines()[0]


async def test_another_window_s_download_is_seen_and_left_alone(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        there = Transfers(DamageBook(tmp_path / "damaged.json"), TransferFile(s.app.services.folders.live).write)
        there.add(Transfer(TransferKind.DOWNLOAD, "r2v", plan=plan_download(CHECKPOINTS["r2v"])))
        await s.press("M")
        await s.shows("SkyReels-V3-A2V-19B")
        await s.until(lambda: "fetching" in row(s) and " %" in row(s), "the percent")
        await s.shows("another window does this")
        await s.until(lambda: "iB/s" in s.text and "left " in s.text, "rate and time left")
        assert "coder/model.safetensors" in s.text
        assert not any(key in s.footer for key in ("w Fetch", "v Verify", "p Pause", "c Cancel", "X Delete"))
        await s.press("p", "c", "w", "v")
        assert isinstance(s.app.screen, ModelsScreen) and s.app.services.transfers.all == ()
        assert [one.state for one in there.all] == [TransferState.RUNNING]
        await s.press("down")
        await s.until(lambda: "w Fetch" in s.footer, "other models can be fetched here")
        fast(hub)
        await s.until(lambda: "present" in row(s))
        assert "another window" not in s.text


async def test_a_hub_that_grew_between_question_and_answer(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    async with start() as s:
        await opened(s)
        await s.press("w")
        agreed = plan_download(CHECKPOINTS["r2v"]).missing_bytes
        await s.shows(f"everything: {size(agreed)} to fetch")
        hub.repos[PUBLIC] = Repo({**r2v_files(), WEIGHTS: r2v_files()[WEIGHTS] * 40})
        await s.press("y")
        await s.shows("differently from what was agreed")
        kept = [path.lstat().st_size for path in (tmp_path / "cache").glob("*/blobs/*")]
        assert sum(kept) <= agreed
        await s.press("w")
        await s.shows(f"everything: {size(plan_download(CHECKPOINTS['r2v']).missing_bytes)} to fetch")
        await s.press("y")
        await s.until(lambda: "present" in row(s))


@pytest.mark.parametrize(
    "answer", [b'{"id": 5, "siblings": "no", "sha": null}', b"[" * 200_000, b"\xff", b'{"siblings": [{}]}']
)
async def test_a_hub_that_makes_no_sense_ends_nothing(start, hub, answer):  # noqa: F811
    hub.nonsense = answer
    async with start() as s:
        await opened(s)
        await s.press("w")
        await s.shows("gave nonsense about")
        await s.press("enter")
        await s.shows("gave nonsense about")
        assert s.app.is_running


async def test_a_download_in_a_shell_is_seen_here(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        home = {"SKYREELS_TUI_HOME": str(s.app.services.folders.state.parent)}
        command = [sys.executable, "-m", "skyreels_tui", "models"]
        shell = await asyncio.create_subprocess_exec(
            *command, "download", "r2v", env={**os.environ, **home}, stdout=-1, stderr=-1
        )
        await s.press("M")
        await s.until(lambda: "fetching" in row(s) and " %" in row(s), "the percent")
        listed = await asyncio.create_subprocess_exec(*command, "list", env={**os.environ, **home}, stdout=-1)
        out, _ = await listed.communicate()
        assert b"is being fetched: " in out
        fast(hub)
        await s.until(lambda: "present" in row(s))
        out, err = await shell.communicate()
        assert shell.returncode == 0, err


async def test_pause_and_go_on(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: hub.sent > LARGE // 5)
        assert "p Pause" in s.footer
        await s.press("p")
        await s.shows("paused")
        assert "Fetch goes on where it was" in s.text
        sent, asked = hub.sent, len(hub.requests)
        assert "p Pause" not in s.footer
        fast(hub)
        await s.press("w")
        await s.until(lambda: "present" in row(s))
        assert any(wanted and int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in hub.requests[asked:])
        assert hub.sent - sent < sum(map(len, r2v_files(LARGE).values())) - LARGE // 5


async def test_cancel_asks_and_leaves_no_unfinished_file(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: hub.sent > LARGE // 5)
        await s.press("c")
        await s.shows("Cancel this download?")
        await s.press("escape")
        await s.until(lambda: "fetching" in row(s))
        await s.press("c")
        await s.shows("Cancel this download?")
        await s.press("y")
        await s.until(lambda: state(s) is None)
        assert list((tmp_path / "cache").rglob("*.part")) == []
        await s.until(lambda: "fetching" not in s.text)


async def test_a_second_download_waits_and_can_be_taken_off(start, hub):  # noqa: F811
    hub.repos[PUBLIC], hub.repos[V2V] = Repo(r2v_files(LARGE)), Repo(V2V_FILES)
    slow(hub)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: hub.sent > 0)
        await s.press("down")
        await fetch(s)
        await s.until(lambda: "waits" in row(s, "V2V"))
        await s.press("p")
        await s.until(lambda: "paused" in row(s, "V2V"))
        await s.press("w")
        await s.until(lambda: "waits" in row(s, "V2V"))
        fast(hub)
        await s.until(lambda: "present" in row(s, "V2V"))
        assert "present" in row(s, "R2V")


async def test_one_task_takes_one_transformer(start, hub):  # noqa: F811
    hub.repos[V2V] = Repo(V2V_FILES)
    async with start() as s:
        await opened(s)
        await s.press("down")
        await s.press("w")
        await s.shows("2  only for Shot switching")
        await s.press("2")
        await s.until(lambda: state(s, "v2v") is TransferState.DONE)
        assert not any(name.startswith("transformer/") for name, _ in hub.requests)
        await s.until(lambda: "partial" in row(s, "V2V"))


async def test_verify_finds_damage_and_a_download_mends_it(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: "present" in row(s))
        await s.press("v")
        await s.shows("9 files checked: as they should be")
        [weights] = (tmp_path / "cache").rglob(f"snapshots/*/{WEIGHTS}")
        blob = weights.resolve()
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
        await s.press("v")
        await s.shows("its checksum is not the hub's")
        await s.until(lambda: "corrupt" in row(s))
        hub.requests.clear()
        await fetch(s)
        await s.until(lambda: "present" in row(s))
        assert [name for name, _ in hub.requests] == [WEIGHTS]


async def test_a_download_that_arrives_damaged_says_so_and_can_be_repeated(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    hub.corrupt.add(WEIGHTS)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.shows("arrived damaged and was removed")
        assert "failed" in row(s)
        hub.corrupt.clear()
        await fetch(s)
        await s.until(lambda: "present" in row(s))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", "does not exist on the hub (404)"),
        (401, "", "the token is refused (401)"),
        (403, "GatedRepo", "is gated: accept its terms at"),
        (503, "", "is busy or down (503)"),
    ],
)
async def test_what_the_hub_refuses_is_said_and_nothing_begins(start, hub, status, code, words):  # noqa: F811
    for repo_id in CHECKPOINTS["r2v"].repo_ids:
        hub.repos[repo_id] = Repo({}, status, code)
    async with start() as s:
        await opened(s)
        await s.press("w")
        await s.until(lambda: words in " ".join(s.text.split()), words)
        assert isinstance(s.app.screen, ModelsScreen)
        assert s.app.services.transfers.all == ()


async def test_offline_mode_is_said_at_once(start, hub, monkeypatch):  # noqa: F811
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.repos[PUBLIC] = Repo(r2v_files())
    async with start() as s:
        await opened(s)
        assert "offline: HF_HUB_OFFLINE is set" in s.text
        await s.press("w")
        await s.shows("unset it to download")
        await s.press("enter")
        await s.shows("the names of missing files are not known")


async def test_a_disk_without_room_blocks_the_key(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(), sizes={WEIGHTS: 10**16})
    async with start() as s:
        await opened(s)
        await s.press("w")
        await s.shows("disk full at")
        assert "y Fetch" not in s.footer
        await s.press("y")
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, ModelsScreen))
        assert s.app.services.transfers.all == ()


async def test_a_line_that_is_down_says_that_it_tries_again(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: hub.sent > 0)
        hub.cuts, hub.cut_after = 100, 0
        hub.repos[PUBLIC].status = 503
        await s.shows("tries again:")
        hub.cuts, hub.repos[PUBLIC].status = 0, 200
        fast(hub)
        await s.until(lambda: "present" in row(s))


async def test_delete_shows_bytes_names_jobs_and_spares_others(start, hub, tmp_path):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    other = tmp_path / "cache" / "models--someone--else" / "blobs"
    other.mkdir(parents=True)
    (other / "abc").write_bytes(b"not ours")
    async with start(gated=True) as s:
        waiting = s.add("waits-for-it", profile="full", resolution="540P")
        s.add("demo-one")
        await opened(s)
        await fetch(s)
        await s.until(lambda: "present" in row(s))
        await s.press("X")
        await s.shows("Delete")
        await s.shows("for good?")
        assert "KiB in" in s.words
        assert "These jobs need it and will fail: " in s.words
        assert "waits-for-it" in s.words
        assert "demo-one" not in s.words
        await s.press("escape")
        await s.until(lambda: "present" in row(s))
        await s.press("X")
        await s.shows("for good?")
        await s.press("y")
        await s.shows("freed")
        await s.until(lambda: "missing" in row(s))
        assert (other / "abc").read_bytes() == b"not ours"
        assert "X Delete" not in s.footer
        s.executor.open_gate()
        await s.until(lambda: s.state(waiting.id) is JobState.DONE)


async def test_a_folder_of_ones_own_and_back(start, hub, tmp_path):  # noqa: F811
    mine = tmp_path / "my models"
    for name, content in r2v_files().items():
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_bytes(content)
    async with start() as s:
        await opened(s)
        await s.press("u")
        await s.shows("Use SkyReels-V3-R2V-14B from a folder")
        await s.type(str(tmp_path / "nowhere"))
        await s.press("enter")
        await s.shows("is no folder")
        await s.press(*["backspace"] * len("nowhere"))
        await s.press("enter")
        await s.shows("holds no whole r2v")
        await s.type("my")
        await s.press("tab", "enter")
        await s.until(lambda: isinstance(s.app.screen, ModelsScreen))
        await s.until(lambda: "present" in row(s))
        assert {family: folder.rstrip("/") for family, folder in s.app.services.settings.now.models.items()} == {
            "r2v": str(mine)
        }
        assert "your own folder" in s.text
        assert "w Fetch" not in s.footer
        await s.press("escape", "n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await s.app.workers.wait_for_complete()
        assert "is not on this machine" not in s.text
        await s.press("escape")
        await opened(s)
        await s.press("U")
        await s.until(lambda: "missing" in row(s))
        assert s.app.services.settings.now.models == {}
        await s.press("escape", "n")
        await s.shows("is not on this machine")
        assert (mine / WEIGHTS).is_file()


async def test_every_file_is_listed_with_bytes(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    async with start() as s:
        await opened(s)
        await s.press("enter")
        await s.shows("9 files")
        assert s.text.count("missing") == 9
        assert "model-00001-of-00002.safetensors" in s.text
        assert "README.md" not in s.text
        await s.press("escape")
        await fetch(s)
        await s.until(lambda: "present" in row(s))
        await s.press("enter")
        await s.until(lambda: s.text.count("present") == 9)


async def test_leaving_the_app_asks_and_the_next_one_goes_on(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start() as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: hub.sent > LARGE // 5)
        await s.press("ctrl+q")
        await s.shows("A model is being fetched or checked")
        await s.press("escape")
        await s.until(lambda: "fetching" in row(s))
        await s.press("ctrl+q")
        await s.shows("What came stays")
        await s.press("y")
        await s.until(lambda: not s.app.is_running)
    assert s.app.services.transfers.wait_ended(20)
    assert state(s) is TransferState.PAUSED
    fast(hub)
    asked = len(hub.requests)
    async with start() as s:
        await opened(s)
        await s.until(lambda: " of 48.3 GiB" in row(s) and "0 B" not in row(s))
        await fetch(s)
        await s.until(lambda: "present" in row(s))
    assert any(wanted and int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted in hub.requests[asked:])


async def test_a_question_nobody_waits_for_is_not_asked(start, hub):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files())
    async with start() as s:
        await opened(s)
        left = s.app.screen
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, HomeScreen))
        checkpoint = CHECKPOINTS["r2v"]
        left._ask(FetchScreen(checkpoint, [Offer((), [], plan_download(checkpoint), "")]))
        await s.pilot.pause()
        assert isinstance(s.app.screen, HomeScreen)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_nothing_is_cut_while_four_files_are_on_their_way(start, hub, size):  # noqa: F811
    hub.repos[PUBLIC] = Repo(r2v_files(LARGE))
    slow(hub)
    async with start(size) as s:
        await opened(s)
        await fetch(s)
        await s.until(lambda: sum(" KiB of " in line and "safetensors" in line for line in s.text.splitlines()) == 4)
        assert "p Pause" in s.footer and "Esc Back" in s.footer
        fast(hub)
        await s.until(lambda: "present" in row(s))


def test_folders_are_never_links_out_of_the_repository(tmp_path: Path) -> None:
    """Deleting follows no link: bytes outside the model's folder are not ours."""
    from pipelines.checkpoints.shelf import remove_checkpoint

    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    repo = tmp_path / "cache" / f"models--{PUBLIC.replace('/', '--')}" / "snapshots" / "a"
    repo.mkdir(parents=True)
    (repo / "link").symlink_to(outside)
    (repo / "dir").symlink_to(tmp_path)
    remove_checkpoint(CHECKPOINTS["r2v"], tmp_path / "cache")
    assert outside.read_bytes() == b"x"
    assert not repo.exists()

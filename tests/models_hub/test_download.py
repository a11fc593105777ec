"""Downloads against a hub on this machine, through the real client library."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pipelines
from pipelines.checkpoints.download import fetch
from pipelines.checkpoints.download.errors import DownloadError
from pipelines.checkpoints.download.fetch import download
from pipelines.checkpoints.download.hub import PART, check_room, plan_download
from pipelines.checkpoints.download.meter import Moved
from pipelines.checkpoints.inventory import Presence
from pipelines.checkpoints.locate import locate
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.shelf import shelf
from pipelines.front.errors import Cancelled, CheckpointMissing, DiskFull
from tests.models_hub.conftest import V2V_FILES, FakeHub, Repo, r2v_files

R2V, V2V = CHECKPOINTS["r2v"], CHECKPOINTS["v2v"]
PUBLIC, ALIAS = R2V.repo_ids


def quiet(_: Moved) -> None:
    """Hear nothing."""


def test_fetches_what_is_needed_and_nothing_else(hub: FakeHub, tmp_path: Path) -> None:
    files = r2v_files()
    hub.repos[PUBLIC] = Repo(files)
    plan = plan_download(R2V)
    needed = set(files) - {"README.md", "assets/demo.mp4", "transformer/old/other.safetensors"}
    assert {entry.file.path for entry in plan.files} == needed
    assert plan.missing_bytes == plan.num_bytes == sum(len(files[name]) for name in needed)
    assert hub.requests == []
    folder = download(plan, quiet)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == needed
    assert all((folder / name).read_bytes() == files[name] for name in needed)
    assert locate("r2v", "", "full", tmp_path, "reference_to_video") == folder


def test_other_tools_find_the_download(hub: FakeHub, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    hub.repos[PUBLIC] = Repo(r2v_files())
    folder = download(plan_download(R2V), quiet)
    found = hf_hub_download(PUBLIC, "vae/config.json", cache_dir=tmp_path / "cache", local_files_only=True)
    assert Path(found) == folder / "vae" / "config.json"
    [repo] = scan_cache_dir(tmp_path / "cache").repos
    assert repo.repo_id == PUBLIC


def test_one_task_takes_one_transformer(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos[V2V.repo_ids[0]] = Repo(V2V_FILES)
    download(plan_download(V2V, ["shot_switching_extension"]), quiet)
    assert {name.split("/")[0] for name, _ in hub.requests} == {
        "shot_transformer", "models_t5_umt5-xxl-enc-bf16.pth", "google", "Wan2.1_VAE.pth"
    }  # fmt: skip
    locate("v2v", "", "full", tmp_path, "shot_switching_extension")
    with pytest.raises(CheckpointMissing, match=r"holds no transformer.*models download v2v --task single_shot"):
        locate("v2v", "", "full", tmp_path, "single_shot_extension")


def test_a_second_download_fetches_nothing(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    download(plan_download(R2V), quiet)
    before = len(hub.requests)
    plan = plan_download(R2V)
    assert plan.missing_bytes == 0
    download(plan, quiet)
    assert len(hub.requests) == before


def test_a_broken_line_goes_on_where_it_broke(hub: FakeHub) -> None:
    files = r2v_files(200_000)
    hub.repos[PUBLIC] = Repo(files)
    hub.chunk, hub.cut_after, hub.cuts = 1 << 14, 1 << 16, 6
    folder = download(plan_download(R2V), quiet)
    assert (folder / "vae/diffusion_pytorch_model.safetensors").read_bytes() == files[
        "vae/diffusion_pytorch_model.safetensors"
    ]
    resumed = [wanted for _, wanted in hub.requests if wanted]
    assert resumed
    assert all(int(wanted.removeprefix("bytes=").rstrip("-")) > 0 for wanted in resumed)
    assert hub.sent < 2 * sum(map(len, files.values()))


def test_a_line_that_only_breaks_is_given_up(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "GIVE_UP_S", 0.3)
    hub.repos[PUBLIC] = Repo(r2v_files())
    hub.cut_after, hub.cuts = 0, 1000
    with pytest.raises(DownloadError, match=r"does not answer|the line broke"):
        download(plan_download(R2V), quiet)


def test_a_line_that_is_down_for_a_while_is_said_and_tried_again(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = plan_download(R2V)
    hub.repos[PUBLIC].status = 503
    heard: list[Moved] = []

    def tell(progress: Moved) -> None:
        heard.append(progress)
        if progress.trouble:
            hub.repos[PUBLIC].status = 200

    download(plan, tell)
    assert "is busy or down (503)" in " ".join(progress.trouble for progress in heard)
    assert heard[-1].trouble == ""
    assert heard[-1].done_bytes == plan.num_bytes


def test_a_token_that_is_refused_on_the_way_ends_it_in_words(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = plan_download(R2V)
    hub.repos[PUBLIC].status = 401
    with pytest.raises(DownloadError, match=r"token is refused \(401\): log in with: hf auth login"):
        download(plan, quiet)


def test_finished_files_are_seen_before_the_last_one_is_here(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files(400_000))
    hub.chunk, hub.pause_s = 1 << 14, 0.01

    def stop_early(progress: Moved) -> None:
        if progress.done_bytes > 100_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(plan_download(R2V), stop_early)
    found = {one.checkpoint.family: one for one in shelf()}["r2v"]
    assert found.presence is Presence.PARTIAL
    assert found.unfinished_bytes > 0
    assert any(part.files for part in found.parts)


def test_kill_9_in_the_middle_then_resume(hub: FakeHub, tmp_path: Path) -> None:
    files = r2v_files(400_000)
    hub.repos[PUBLIC] = Repo(files)
    hub.chunk, hub.pause_s = 1 << 14, 0.01
    root = Path(pipelines.__file__).parents[1]
    command = [sys.executable, "-m", "skyreels_tui", "models", "download", "r2v"]
    env = {**os.environ, "SKYREELS_TUI_HOME": str(tmp_path / "home")}
    child = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert hub.moving.wait(30)
    blobs = tmp_path / "cache" / f"models--{PUBLIC.replace('/', '--')}" / "blobs"
    # Only the server's count is watched: files are renamed under the eyes of whoever looks at the folder.
    while hub.sent < 300_000:
        assert child.poll() is None
        hub.moving.wait(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    begun = sum(path.stat().st_size for path in blobs.iterdir())
    assert 0 < begun < sum(map(len, files.values()))
    hub.pause_s, before = 0.0, len(hub.requests)
    plan = plan_download(R2V)
    assert plan.num_bytes - plan.missing_bytes == begun
    folder = download(plan, quiet)
    assert all((folder / entry.file.path).read_bytes() == files[entry.file.path] for entry in plan.files)
    asked = dict(hub.requests[before:])
    here = {entry.file.path: entry.have_bytes for entry in plan.files if entry.missing_bytes}
    assert asked == {path: f"bytes={have}-" if have else "" for path, have in here.items()}
    assert any(asked.values())
    assert list(blobs.glob(f"*{PART}")) == []


def test_pausing_keeps_what_is_here(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files(400_000))
    hub.chunk, hub.pause_s = 1 << 14, 0.01

    def stop_early(progress: Moved) -> None:
        if progress.done_bytes > 100_000:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(plan_download(R2V), stop_early)
    plan = plan_download(R2V)
    assert 100_000 < plan.num_bytes - plan.missing_bytes < plan.num_bytes


def test_progress_of_a_slow_line(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files(200_000))
    hub.chunk, hub.pause_s = 1 << 14, 0.05
    heard: list[Moved] = []
    download(plan_download(R2V), heard.append)
    done = [progress.done_bytes for progress in heard]
    assert done == sorted(done)
    assert done[-1] == heard[-1].total_bytes
    middle = heard[len(heard) // 2]
    assert 100_000 < middle.rate < 4 * (1 << 14) / 0.04
    assert middle.left_s is not None
    assert any(0 < have < size for moved in heard for _, have, size in moved.files)


def test_damaged_bytes_are_refused_and_removed(hub: FakeHub) -> None:
    name = "vae/diffusion_pytorch_model.safetensors"
    hub.repos[PUBLIC] = Repo(r2v_files())
    hub.corrupt.add(name)
    plan = plan_download(R2V)
    with pytest.raises(DownloadError, match=r"model\.safetensors arrived damaged and was removed: fetch it again"):
        download(plan, quiet)
    # Others that were under way at that moment keep what they have.
    [damaged] = [wanted.file.etag for wanted in plan.files if wanted.file.path == name]
    assert list(plan.blobs.glob(f"{damaged}*")) == []
    hub.corrupt.clear()
    download(plan_download(R2V), quiet)


def test_small_files_are_checked_too(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    hub.corrupt.add("tokenizer/tokenizer.json")
    with pytest.raises(DownloadError, match=r"tokenizer\.json arrived damaged"):
        download(plan_download(R2V), quiet)


def test_the_second_name_is_tried_and_said(hub: FakeHub) -> None:
    hub.repos[ALIAS] = Repo(r2v_files())
    plan = plan_download(R2V)
    assert plan.repo_id == ALIAS
    assert plan.attempts == (f"{PUBLIC} does not exist on the hub (404)",)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "RepoNotFound", "does not exist on the hub"),
        (401, "", "not public or does not exist, or the token is refused (401): log in with: hf auth login"),
        (403, "GatedRepo", "is gated: accept its terms at"),
        (403, "", "closed to this account (403)"),
    ],
)
def test_what_the_hub_refuses_is_said_for_every_name(hub: FakeHub, status: int, code: str, words: str) -> None:
    for repo_id in R2V.repo_ids:
        hub.repos[repo_id] = Repo({}, status, code)
    with pytest.raises(CheckpointMissing) as refusal:
        plan_download(R2V)
    assert str(refusal.value).count(words) == 2
    assert "skyreels-tui models use PATH" in str(refusal.value)


def test_without_a_token_it_says_so(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.repos[PUBLIC] = Repo({}, 401)
    with pytest.raises(CheckpointMissing, match=r"this machine has no token \(401\): log in with: hf auth login"):
        plan_download(R2V)


def test_a_hub_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="does not answer"):
        plan_download(R2V, cache=tmp_path, endpoint="http://127.0.0.1:9")


def test_offline_mode_is_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="offline mode is on"):
        plan_download(R2V)


def test_no_room_is_refused_before_the_first_byte(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = plan_download(R2V)
    check_room(plan, lambda _: int(plan.missing_bytes * 1.1))
    with pytest.raises(DiskFull, match="needs"):
        check_room(plan, lambda _: int(plan.missing_bytes * 1.1) - 1)
    assert hub.requests == []


def test_a_disk_that_fills_up_on_the_way(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = plan_download(R2V)
    largest = max(plan.files, key=lambda entry: entry.file.num_bytes)
    plan.blobs.mkdir(parents=True)
    (plan.blobs / f"{largest.file.etag}{PART}").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"disk full at .* free some space, then start it again"):
        download(plan, quiet)


def test_two_downloads_of_one_file_do_not_mix(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(r2v_files())
    plan = plan_download(R2V)
    plan.blobs.mkdir(parents=True)
    import fcntl

    with (plan.blobs / f"{plan.files[0].file.etag}{PART}").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process downloads"):
            download(plan, quiet)
    download(plan_download(R2V), quiet)

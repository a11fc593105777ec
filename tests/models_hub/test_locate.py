"""Finding a checkpoint without asking anybody: folders, repository ids, names in order, and words for what lacks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.checkpoints.inventory import Presence
from pipelines.checkpoints.locate import hub_cache, locate
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.shelf import shelf
from pipelines.front.errors import CheckpointMissing
from tests.models_hub.conftest import V2V_FILES, r2v_files

PUBLIC, ALIAS = CHECKPOINTS["r2v"].repo_ids
TASK = "reference_to_video"


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def snapshot(cache: Path, repo_id: str, files: dict[str, bytes], revision: str = "a" * 40, main: bool = True) -> Path:
    repo = cache / f"models--{repo_id.replace('/', '--')}"
    if main:
        put(repo, {"refs/main": revision.encode()})
    return put(repo / "snapshots" / revision, files)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def find(model_id: str = "", task: str = TASK, family: str = "r2v") -> Path:
    return locate(family, model_id, "full", Path("cache"), task)


def test_a_folder_of_ones_own(tmp_path: Path, cache: Path) -> None:
    folder = put(tmp_path / "mine", r2v_files())
    assert find(str(folder)) == folder


def test_a_repository_id_is_looked_up_in_the_cache(cache: Path) -> None:
    folder = snapshot(cache, "someone/tuned", r2v_files())
    assert find("someone/tuned") == folder


def test_a_whole_second_name_wins_over_a_partial_first(cache: Path) -> None:
    files = r2v_files()
    snapshot(cache, PUBLIC, {name: content for name, content in files.items() if not name.startswith("vae")})
    whole = snapshot(cache, ALIAS, files)
    assert find() == whole


@pytest.mark.parametrize("older", ["b" * 40, "c" * 40])
def test_without_a_branch_dates_do_not_decide(cache: Path, older: str) -> None:
    """A clock that was wrong once, or a copy of the cache, gives any date."""
    for revision in ("c" * 40, "b" * 40):
        made = snapshot(cache, PUBLIC, r2v_files(), revision, main=False)
        if revision == older:
            os.utime(made, (1, 1))
    assert find().name == "b" * 40


@pytest.mark.parametrize("main", ["b" * 40, "c" * 40, "", "gone"])
def test_a_whole_older_revision_is_used(cache: Path, main: str) -> None:
    """Another tool that asks for one small file moves the branch to a revision that holds nothing else."""
    whole = snapshot(cache, PUBLIC, r2v_files(), "a" * 40, main=False)
    snapshot(cache, PUBLIC, {"model_index.json": b"{}"}, "b" * 40, main=False)
    snapshot(cache, PUBLIC, {"vae/config.json": b"{}"}, "c" * 40, main=False)
    put(cache / f"models--{PUBLIC.replace('/', '--')}", {"refs/main": main.encode()})
    assert find() == whole
    assert find(PUBLIC) == whole
    [found] = [one for one in shelf() if one.checkpoint.family == "r2v"]
    assert (found.folder, found.presence) == (whole, Presence.PRESENT)


def test_each_task_takes_the_revision_that_serves_it(cache: Path) -> None:
    repo_id = CHECKPOINTS["v2v"].repo_ids[0]
    single = snapshot(cache, repo_id, {n: c for n, c in V2V_FILES.items() if not n.startswith("shot_")}, "a" * 40)
    shot = snapshot(cache, repo_id, {n: c for n, c in V2V_FILES.items() if not n.startswith("transf")}, "b" * 40)
    assert find(task="single_shot_extension", family="v2v") == single
    assert find(task="shot_switching_extension", family="v2v") == shot


def test_what_lacks_is_named_with_the_command(cache: Path) -> None:
    files = r2v_files()
    del files["transformer/diffusion_pytorch_model-00002-of-00002.safetensors"]
    snapshot(cache, PUBLIC, files)
    with pytest.raises(CheckpointMissing) as refusal:
        find()
    assert "is incomplete: transformer (transformer/diffusion_pytorch_model-00002-of-00002.safetensors)" in str(
        refusal.value
    )
    assert str(refusal.value).endswith(f"skyreels-tui models download r2v --task {TASK}")


def test_a_broken_link_is_not_there(cache: Path) -> None:
    folder = snapshot(cache, PUBLIC, r2v_files())
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to("../../../blobs/gone")
    with pytest.raises(CheckpointMissing, match="vae"):
        find()


def test_each_task_of_a_checkpoint_needs_its_own_transformer(cache: Path) -> None:
    files = {name: content for name, content in V2V_FILES.items() if not name.startswith("shot_")}
    folder = snapshot(cache, CHECKPOINTS["v2v"].repo_ids[1], files)
    assert find(task="single_shot_extension", family="v2v") == folder
    with pytest.raises(CheckpointMissing, match="shot_transformer"):
        find(task="shot_switching_extension", family="v2v")


def test_nothing_here_says_how_much_and_how(cache: Path) -> None:
    with pytest.raises(CheckpointMissing) as refusal:
        find()
    assert PUBLIC in str(refusal.value)
    assert f"Download 48.3 GiB: skyreels-tui models download r2v --task {TASK}" in str(refusal.value)
    assert "--profile demo" in str(refusal.value)


@pytest.mark.parametrize("model_id", ["/no/such/folder", "~nobody-here/x", "a b", "../x"])
def test_neither_a_folder_nor_an_id(
    cache: Path, model_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(CheckpointMissing, match="no folder on this machine"):
        find(model_id)


def test_demo_models_are_never_looked_up(cache: Path) -> None:
    with pytest.raises(CheckpointMissing, match="skyreels-tui demo"):
        locate("r2v", "", "demo", Path("/c"), TASK)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "HOME": "/h"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/huggingface/hub"),
        ({"HOME": "/h"}, "/h/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_other_tools_have_it(environ: dict[str, str], folder: str) -> None:
    assert hub_cache(environ) == Path(folder)

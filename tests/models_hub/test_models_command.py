"""`skyreels-tui models` from end to end, and what verification finds."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.checkpoints.inventory import Presence
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.shelf import removable, shelf
from pipelines.checkpoints.verify import Finding, content_problem, verify
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures
from tests.models_hub.conftest import V2V_FILES, FakeHub, Repo, r2v_files, safetensors

Cli = Callable[..., Call]
PUBLIC, ALIAS = CHECKPOINTS["r2v"].repo_ids


@pytest.fixture
def models(cli: Cli, hub: FakeHub) -> Cli:  # noqa: F811
    """The command with a hub that has the reference-to-video checkpoint under its second name."""
    hub.repos[ALIAS] = Repo(r2v_files())
    return lambda *words: cli("models", *words)


def state(models: Cli, family: str) -> str:
    return str(next(row for row in models("list", "--json").data if row["model"] == family)["status"])


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_download_list_path_verify_purge(models: Cli) -> None:
    assert state(models, "r2v") == "missing"
    assert models("path", "r2v").code == 3
    plan = models("download", "r2v", "--plan", "--json")
    assert plan.data["missing_bytes"] == plan.data["num_bytes"] > 0
    assert f"{PUBLIC} does not exist on the hub (404); trying {ALIAS}" in plan.err
    assert state(models, "r2v") == "missing"
    call = models("download", "r2v")
    folder = Path(call.out.strip())
    assert call.code == 0
    assert (folder / "vae/config.json").is_file()
    assert "Skywork Community License" in call.err
    assert state(models, "r2v") == "present"
    assert models("path", ALIAS).out == f"{folder}\n"
    checked = models("verify", "r2v")
    assert checked.code == 0
    assert checked.out.count("r2v  ok  ") == len(checked.out.splitlines()) == 9
    refused = models("purge", "r2v")
    assert (refused.code, refused.out) == (4, "")
    assert state(models, "r2v") == "present"
    assert models("purge", "r2v", "--yes").code == 0
    assert state(models, "r2v") == "missing"
    assert models("purge", "r2v", "--yes").code == 3


def test_verify_finds_a_flipped_bit_and_a_missing_shard(models: Cli) -> None:
    folder = Path(models("download", "r2v").out.strip())
    weights = (folder / "text_encoder/model.safetensors").resolve()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (folder / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    call = models("verify", "r2v", "--json")
    assert call.code == 1
    wrong = {entry["path"]: (entry["status"], entry["detail"]) for entry in call.data if entry["status"] != "ok"}
    assert wrong == {
        "text_encoder/model.safetensors": ("corrupt", "its checksum is not the hub's"),
        "transformer/diffusion_pytorch_model-00002-of-00002.safetensors": ("missing", "transformer needs it"),
    }
    assert models("verify", "r2v", "--quick").out.count("corrupt") == 0
    assert state(models, "r2v") == "corrupt"
    [r2v] = [row for row in models("list", "--json").data if row["model"] == "r2v"]
    assert {part["name"]: part["corrupt"] for part in r2v["components"] if part["corrupt"]} == {
        "text_encoder": ["text_encoder/model.safetensors"]
    }
    assert "damaged: text_encoder/model.safetensors" in models("list").out
    assert "models download MODEL" in call.err


def test_a_download_mends_what_verify_found(models: Cli, hub: FakeHub) -> None:
    folder = Path(models("download", "r2v").out.strip())
    weights = (folder / "vae/diffusion_pytorch_model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-7])
    assert models("verify", "r2v", "--quick").code == 1
    assert state(models, "r2v") == "corrupt"
    hub.requests.clear()
    call = models("download", "r2v")
    assert "1 damaged file removed" in call.err
    assert [name for name, _ in hub.requests] == ["vae/diffusion_pytorch_model.safetensors"]
    assert state(models, "r2v") == "present"
    assert models("verify", "r2v").code == 0


def test_a_damaged_file_that_was_replaced_is_not_damaged(models: Cli) -> None:
    folder = Path(models("download", "r2v").out.strip())
    weights = (folder / "vae/diffusion_pytorch_model.safetensors").resolve()
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    assert models("verify", "r2v").code == 1
    weights.write_bytes(whole)
    assert state(models, "r2v") == "present"


def test_purge_leaves_other_models_alone(models: Cli, tmp_path: Path) -> None:
    models("download", "r2v")
    other = write(tmp_path / "cache" / "models--Skywork--SkyReels-V3-Reference2Video-extra", {"blobs/a": b"x"})
    models("purge", "r2v", "--yes")
    assert (other / "blobs/a").read_bytes() == b"x"
    assert removable(CHECKPOINTS["r2v"], tmp_path / "cache") == ()


def test_use_takes_a_folder_and_goes_back(models: Cli, tmp_path: Path) -> None:
    folder = write(tmp_path / "my models", V2V_FILES)
    call = models("use", folder)
    assert call.code == 0, call.err
    assert models("path", "v2v").out == f"{folder}\n"
    assert state(models, "v2v") == "present"
    assert models("use", "", "--model", "v2v").code == 0
    assert state(models, "v2v") == "missing"
    assert models("use", tmp_path / "nowhere").code == 3
    assert models("use", tmp_path).code == 2
    assert models("use", folder, "--model", "r2v").code == 2


def test_a_download_says_that_a_folder_of_ones_own_comes_first(models: Cli, hub: FakeHub, tmp_path: Path) -> None:
    models("use", write(tmp_path / "mine", r2v_files()))
    call = models("download", "r2v", "--plan")
    assert "models use '' --model r2v" in call.err


def test_a_task_names_what_it_needs(models: Cli, hub: FakeHub) -> None:
    hub.repos[CHECKPOINTS["v2v"].repo_ids[0]] = Repo(V2V_FILES)
    assert models("download", "single_shot_extension").code == 0
    [v2v] = [row for row in models("list", "--json").data if row["model"] == "v2v"]
    assert v2v["tasks"] == {"single_shot_extension": True, "shot_switching_extension": False}


def test_refused_words(models: Cli) -> None:
    assert models("download", "t2v").code == 3
    foreign = models("download", "r2v", "--task", "talking_avatar")
    assert (foreign.code, foreign.out) == (2, "")
    assert "r2v is not for talking_avatar" in foreign.err
    nowhere = models("download", "a2v")
    assert (nowhere.code, nowhere.out) == (3, "")
    assert nowhere.err.count("does not exist on the hub") == 2


def test_list_shows_parts_bytes_and_licence(models: Cli) -> None:
    text = models("list").out
    assert "audio_encoder" in text
    assert "26.6 GiB" in text
    assert "licence: Skywork Community License" in text
    assert "skyreels-tui models download a2v" in text


def test_an_unfinished_download_counts_as_partial_bytes(tmp_path: Path) -> None:
    write(tmp_path / f"models--{PUBLIC.replace('/', '--')}", {"blobs/abc.skyreels.part": b"x" * 77})
    [r2v] = [one for one in shelf(cache=tmp_path) if one.checkpoint.family == "r2v"]
    assert (r2v.unfinished_bytes, r2v.presence) == (77, Presence.MISSING)


def zip_bytes(folder: Path) -> bytes:
    path = folder / "zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 500)
    return path.read_bytes()


def test_content_problems(tmp_path: Path) -> None:
    good = safetensors(500)
    archive = zip_bytes(tmp_path)
    cases: dict[str, tuple[bytes, str]] = {
        "good.safetensors": (good, ""),
        "cut.safetensors": (good[:-1], "where its header says"),
        "long.safetensors": (good + b"x", "where its header says"),
        "header.safetensors": (good[:20], "cut off in its header"),
        "text.safetensors": (b"<html>not found</html>" * 9, "is no safetensors file"),
        "json.safetensors": (good[:8] + b"x" * (len(good) - 8), "its header is damaged"),
        "empty.safetensors": (b"", "the file is empty"),
        "good.pth": (archive, ""),
        "cut.pth": (archive[:-30], "is cut off or damaged"),
        "good.json": (b"{}", ""),
        "bad.json": (b"{", "is no valid JSON"),
        "x.safetensors.index.json": (json.dumps({"weight_map": {}}).encode(), "names no tensors"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        problem = content_problem(tmp_path / name)
        assert words in problem if words else problem == "", name


def test_verify_of_an_empty_folder_names_every_part(tmp_path: Path) -> None:
    found = list(verify(tmp_path, CHECKPOINTS["a2v"].components))
    assert {check.finding for check in found} == {Finding.MISSING}
    assert len(found) == 6

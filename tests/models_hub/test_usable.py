"""A model that can only fail is refused where it is typed, before anything is queued or loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.usable import why_unusable
from pipelines.tasks import task_named
from skyreels_tui.requests.forms import build_request, check_form
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures
from tests.models_hub.conftest import V2V_FILES, r2v_files, safetensors
from tests.models_hub.test_locate import cache, put, snapshot  # noqa: F401 - a fixture

R2V = task_named("reference_to_video")
SHARD = "transformer/diffusion_pytorch_model-00002-of-00002.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"


def drawn(folder: Path) -> Path:
    Image.new("RGB", (64, 64), (9, 99, 199)).save(folder / "hero.png")
    return folder / "hero.png"


def changed(**files: bytes | None) -> dict[str, bytes]:
    known = r2v_files()
    for name, content in files.items():
        if content is None:
            known.pop(name)
        else:
            known[name] = content
    return known


UNUSABLE: dict[str, tuple[dict[str, bytes], str, str]] = {
    "one file": ({"wan.safetensors": safetensors(90)}, "wan.safetensors", "is one file"),
    "a file that looks like a repository": ({"x/wan.gguf": b"GGUF"}, "x/wan.gguf", "is one file"),
    "one file in a folder": ({"m/wan.safetensors": safetensors(90)}, "m", "holds no transformer, text_encoder"),
    "an empty folder": ({"m/readme": b""}, "m", "it is no r2v model"),
    "pictures": ({"m/a.png": b"x", "m/b/c.png": b"x"}, "m", "it is no r2v model"),
    "another family": ({f"m/{n}": c for n, c in V2V_FILES.items()}, "m", "is SkyReels-V3-V2V-14B, and"),
    "a part alone": ({f"m/{n}": c for n, c in r2v_files().items() if n.startswith("vae")}, "m", "holds no transformer"),
    "a missing part": ({f"m/{n}": c for n, c in r2v_files().items() if not n.startswith("vae")}, "m", "vae"),
    "a missing shard": ({f"m/{n}": c for n, c in changed(**{SHARD: None}).items()}, "m", SHARD),
    "a cut shard": ({f"m/{n}": c for n, c in changed(**{SHARD: r2v_files()[SHARD][:-9]}).items()}, "m", "header says"),
    "an empty file": ({f"m/{n}": c for n, c in changed(**{VAE: b""}).items()}, "m", "the file is empty"),
    "a page for a file": ({f"m/{n}": c for n, c in changed(**{VAE: b"<html>" * 99}).items()}, "m", "no safetensors"),
    "no JSON": ({f"m/{n}": c for n, c in changed(**{"vae/config.json": b"{"}).items()}, "m", "is no valid JSON"),
    "the cache's folder": ({f"m/snapshots/{'a' * 40}/{n}": c for n, c in r2v_files().items()}, "m", "give "),
    "nothing": ({}, "m", "is no folder on this machine"),
    "another family's name": ({}, CHECKPOINTS["v2v"].repo_ids[0], "is SkyReels-V3-V2V-14B, and"),
    "a name that nobody downloads": ({}, "someone/tuned", "only the released models are downloaded"),
    "a name beyond any file's": ({}, "m" * 5000, "is no folder on this machine"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_can_only_fail_is_refused_in_shell_and_form(
    cli: Callable[..., Call],  # noqa: F811
    cache: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    files, model, words = UNUSABLE[kind]
    put(tmp_path, files)
    (tmp_path / "work").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    picture = drawn(tmp_path)
    call = cli("add", "--task", R2V.name, "--ref_imgs", picture, "--prompt", "x", "--model_id", model)
    assert (call.code, call.out) == (2, "")
    assert words in call.err and "model_id: " in call.err
    assert cli("list", "--json").data == []
    request = build_request(R2V, {"prompt": "x", "ref_imgs": (str(picture),), "model_id": model}, "full")
    found = check_form(R2V, request, tmp_path)
    assert any(problem.field == "model_id" and words in problem.message for problem in found.problems)


def test_a_folder_of_the_settings_that_went_bad_is_refused(
    cli: Callable[..., Call],  # noqa: F811
    cache: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    mine = put(tmp_path / "mine", r2v_files())
    assert cli("models", "use", mine).code == 0
    (mine / SHARD).unlink()
    picture = drawn(tmp_path)
    call = cli("add", "--task", R2V.name, "--ref_imgs", picture, "--prompt", "x")
    assert (call.code, call.out) == (2, "")
    assert SHARD in call.err
    request = build_request(R2V, {"prompt": "x", "ref_imgs": (str(picture),)}, "full")
    assert SHARD in check_form(R2V, request, tmp_path, str(mine)).checkpoint


def test_what_serves_or_can_still_come_is_taken(
    cli: Callable[..., Call],  # noqa: F811
    cache: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = put(tmp_path / "mine", r2v_files())
    snapshot(cache, "someone/tuned", r2v_files())
    for model in (str(mine), "someone/tuned", *CHECKPOINTS["r2v"].repo_ids):
        assert why_unusable("r2v", model, R2V.name) == ""
    picture = drawn(tmp_path)
    monkeypatch.chdir(tmp_path)
    call = cli("add", "--task", R2V.name, "--ref_imgs", picture, "--prompt", "x", "--model_id", "mine", "--json")
    assert call.code == 0, call.err
    assert call.data["request"]["model_id"] == str(mine), "as it means the same wherever the job runs"
    assert cli("add", "--task", R2V.name, "--ref_imgs", picture, "--prompt", "x").code == 0

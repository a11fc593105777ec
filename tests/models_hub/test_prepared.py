"""Text encoders that are kept once more in bfloat16: exact, whole or absent, told of, used, and removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.checkpoints import prepared as module
from pipelines.checkpoints.prepared import prepare_weights, prepared_file, prepared_files, remove_prepared, saves_bytes
from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.networks import CheckpointNetworks
from pipelines.families.r2v.generate import LAYOUT
from pipelines.front.errors import CheckpointMissing, DiskFull
from pipelines.front.progress import ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.running.pool import ModelPool
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures

Cli = Callable[..., Call]
ODD = [0.0, -0.0, 1.0, 1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, -3.4e38, 1e-40, float("inf"), float("-inf"), float("nan")]


def encoder(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Two files of tensors with every kind of number."""
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(1)
    first = {"a": torch.randn(300, 70, generator=draw).to(dtype), "odd": torch.tensor(ODD).to(dtype)}
    second = {"b": torch.randn(5, generator=draw).to(torch.bfloat16), "ids": torch.arange(6)}
    save_file(first, folder / "model-1.safetensors", metadata={"format": "pt"})
    save_file(second, folder / "model-2.safetensors", metadata={"format": "pt"})
    return folder


def test_every_number_is_rounded_as_torch_rounds_it(tmp_path: Path) -> None:
    folder = encoder(tmp_path / "text_encoder")
    kept = load_file(prepare_weights(tmp_path / "cache", folder))
    stored = load_file(folder / "model-1.safetensors") | load_file(folder / "model-2.safetensors")
    assert set(kept) == set(stored)
    for name, value in stored.items():
        wanted = value.to(torch.bfloat16) if value.dtype is torch.float32 else value
        assert kept[name].dtype == wanted.dtype
        assert torch.equal(kept[name].nan_to_num(7), wanted.nan_to_num(7)), name


def test_half_of_the_float32_bytes_are_saved(tmp_path: Path) -> None:
    folder = encoder(tmp_path / "text_encoder")
    assert saves_bytes(folder) == (300 * 70 + len(ODD)) * 2
    assert saves_bytes(encoder(tmp_path / "narrow", torch.bfloat16)) == 0
    assert saves_bytes(tmp_path / "nowhere") == 0


def test_replaced_weights_are_other_weights(tmp_path: Path) -> None:
    folder, cache = encoder(tmp_path / "text_encoder"), tmp_path / "cache"
    path = prepare_weights(cache, folder)
    assert prepare_weights(cache, folder) == path
    save_file({"a": torch.ones(3)}, folder / "model-1.safetensors")
    assert prepared_file(cache, folder) is None
    assert [file.is_current for file in prepared_files(cache)] == [False]
    assert prepare_weights(cache, folder) != path


@pytest.mark.parametrize("left", [0, 5, 40, -1])
def test_a_torn_file_is_none(tmp_path: Path, left: int) -> None:
    folder, cache = encoder(tmp_path / "text_encoder"), tmp_path / "cache"
    path = prepare_weights(cache, folder)
    path.write_bytes(path.read_bytes()[:left])
    assert prepared_file(cache, folder) is None
    assert not prepared_files(cache)[0].is_current


def test_stopping_and_a_full_disk_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = encoder(tmp_path / "text_encoder"), tmp_path / "cache"

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_weights(cache, folder, stop)
    monkeypatch.setattr(module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        prepare_weights(cache, folder)
    assert list((cache / "prepared").iterdir()) == []
    (folder / "model-1.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointMissing):
        prepare_weights(cache, folder)


def test_the_text_encoder_reads_the_prepared_file_and_says_the_same(tmp_path: Path) -> None:
    checkpoint, cache = demo_checkpoint("r2v", tmp_path / "demo"), tmp_path / "cache"
    source, tokenizer = checkpoint / "text_encoder", checkpoint / "tokenizer"
    assert saves_bytes(source) > 0
    path = prepare_weights(cache, source)
    direct = load_prompt_encoder(source, tokenizer, dtype=torch.bfloat16)
    short = load_prompt_encoder(source, tokenizer, dtype=torch.bfloat16, prepared=path)
    for (name, ours), (_, theirs) in zip(short.named_parameters(), direct.named_parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    assert torch.equal(short("a cup of coffee"), direct("a cup of coffee"))


def test_only_what_is_computed_in_bfloat16_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = demo_checkpoint("r2v", tmp_path)
    path = prepare_weights(tmp_path, checkpoint / "text_encoder")
    runtime = Runtime("cpu", tmp_path, tmp_path / "work", tmp_path / "result", "x", checkpoint)
    models = CheckpointNetworks(LAYOUT, runtime, ModelPool(), ignore_progress)
    assert models._prepared(checkpoint / "text_encoder") is None
    monkeypatch.setattr(CheckpointNetworks, "dtype", torch.bfloat16)
    assert models._prepared(checkpoint / "text_encoder") == path
    assert models._prepared(checkpoint / "vae.pth") is None


def test_the_command_prepares_tells_and_removes(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    checkpoint = demo_checkpoint("r2v", tmp_path)
    cli("models", "use", str(checkpoint))
    nothing = cli("models", "prepare", "v2v")
    assert (nothing.code, nothing.out) == (0, "")
    assert "nothing to prepare" in nothing.err
    done = cli("models", "prepare")
    assert done.code == 0
    assert Path(done.out.strip()).is_file()
    assert "a cold start reads" in done.err
    assert "prepared text encoder" in cli("models", "list").out
    again = json.loads(cli("models", "prepare", "r2v", "--json").out)
    assert again[0]["path"] == done.out.strip()
    assert cli("models", "prepare", "--remove").code == 0
    assert not Path(done.out.strip()).exists()
    assert "prepared text encoder" not in cli("models", "list").out


def test_what_fits_no_weights_any_more_goes_with_the_next(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    checkpoint = demo_checkpoint("r2v", tmp_path)
    cli("models", "use", str(checkpoint))
    old = Path(cli("models", "prepare").out.strip())
    weights = next((checkpoint / "text_encoder").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes())
    new = Path(cli("models", "prepare").out.strip())
    assert new != old
    assert not old.exists()
    assert new.exists()


def test_removing_gives_the_bytes_back(tmp_path: Path) -> None:
    path = prepare_weights(tmp_path / "cache", encoder(tmp_path / "text_encoder"))
    num_bytes = path.stat().st_size
    assert remove_prepared(prepared_files(tmp_path / "cache")) == num_bytes
    assert not path.exists()

"""Weights that are kept once more, packed: exact, whole or absent, told of, used, and removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines.checkpoints import prepared as module
from pipelines.checkpoints.packing import BLOCK_NUMBERS
from pipelines.checkpoints.prepared import (
    gains,
    prepare_weights,
    prepared_file,
    prepared_files,
    remove_prepared,
    saves_bytes,
)
from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.networks import CheckpointNetworks
from pipelines.families.r2v.generate import LAYOUT
from pipelines.front.errors import CheckpointMissing, DiskFull
from pipelines.front.progress import ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.loading.reading import read_tensors
from pipelines.loading.stored import stored_tensors
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.transformer.load import load_transformer
from pipelines.running.pool import ModelPool
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures

Cli = Callable[..., Call]
PARTS = ("transformer", "text_encoder")
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


def values_of(file: Path) -> dict[str, Tensor]:
    """Every tensor of a prepared file."""
    stored = stored_tensors(file)
    read = read_tensors(stored, lambda one: torch.empty(one.shape, dtype=one.dtype), ignore_progress)
    return {tensor.name: value for tensor, value in read}


def read_at_a_start(file: Path) -> int:
    """Bytes of all tensors but the token table, of which a start reads single rows."""
    return sum(tensor.num_bytes for tensor in stored_tensors(file) if tensor.name != "shared.weight")


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[ours.element_size()]
    return ours.dtype == theirs.dtype and torch.equal(ours.view(whole), theirs.view(whole))


@pytest.mark.parametrize("rounds", [True, False])
def test_every_number_is_rounded_as_torch_rounds_it(tmp_path: Path, rounds: bool) -> None:
    folder = encoder(tmp_path / "text_encoder")
    kept = values_of(prepare_weights(tmp_path / "cache", folder, rounds=rounds))
    stored = load_file(folder / "model-1.safetensors") | load_file(folder / "model-2.safetensors")
    assert set(kept) == set(stored)
    for name, value in stored.items():
        wanted = value.to(torch.bfloat16) if rounds and value.dtype is torch.float32 else value
        assert kept[name].dtype == wanted.dtype
        assert torch.equal(kept[name].nan_to_num(7), wanted.nan_to_num(7)), name


def every_pattern() -> Tensor:
    return torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)


@pytest.mark.parametrize(
    "value",
    [
        every_pattern(),
        torch.randint(-(2**15), 2**15, (70, 900), dtype=torch.int16).view(torch.bfloat16),
        torch.zeros(5000, dtype=torch.bfloat16),
        torch.randn(BLOCK_NUMBERS + 1).to(torch.bfloat16),
        torch.randn(2, 1, 4096).to(torch.bfloat16),
    ],
    ids=["every-pattern", "noise", "zeros", "a-block-and-one", "three-axes"],
)
def test_every_bit_comes_back(tmp_path: Path, value: Tensor) -> None:
    folder = tmp_path / "transformer"
    folder.mkdir()
    stored = {"a": torch.randn(5000), "value": value, "small": value.flatten()[:3].clone()}
    save_file(stored, folder / "one.safetensors")
    kept = values_of(prepare_weights(tmp_path / "cache", folder, rounds=False))
    assert all(same_bits(kept[name], wanted) for name, wanted in stored.items())
    for dtype in (torch.float32, torch.float16):
        (packed,) = [one for one in stored_tensors(prepared_file(tmp_path / "cache", folder)) if one.name == "value"]
        ((_, cast),) = read_tensors([packed], lambda one, to=dtype: torch.empty(one.shape, dtype=to), ignore_progress)
        assert torch.equal(cast.nan_to_num(), value.to(dtype).nan_to_num())


def test_weights_take_two_thirds_of_their_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "transformer"
    folder.mkdir()
    save_file({"a": (torch.randn(2000, 1000) * 0.02).to(torch.bfloat16)}, folder / "one.safetensors")
    path = prepare_weights(tmp_path / "cache", folder, rounds=False)
    assert path.stat().st_size < 0.7 * (folder / "one.safetensors").stat().st_size


def test_a_damaged_block_is_refused_in_words(tmp_path: Path) -> None:
    folder = encoder(tmp_path / "text_encoder")
    path = prepare_weights(tmp_path / "cache", folder)
    (tensor,) = [tensor for tensor in stored_tensors(path) if tensor.blocks]
    content = bytearray(path.read_bytes())
    # In the middle of what is compressed.
    content[tensor.offset + 300 * 70 + (tensor.num_bytes - 300 * 70) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CheckpointMissing, match="Download it again"):
        values_of(path)


def test_half_of_the_float32_bytes_are_saved(tmp_path: Path) -> None:
    folder = encoder(tmp_path / "text_encoder")
    assert saves_bytes(folder) == (300 * 70 + len(ODD)) * 2
    assert saves_bytes(encoder(tmp_path / "narrow", torch.bfloat16)) == 0
    assert saves_bytes(tmp_path / "nowhere") == 0
    assert gains(folder)
    assert not gains(folder, rounds=False)
    assert not gains(tmp_path / "nowhere")


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


def test_the_transformer_reads_the_prepared_file_and_is_the_same(tmp_path: Path) -> None:
    checkpoint, cache = demo_checkpoint("r2v", tmp_path / "demo"), tmp_path / "cache"
    source = checkpoint / "transformer"
    for file in source.glob("*.safetensors"):
        save_file({name: value.to(torch.bfloat16) for name, value in load_file(file).items()}, file)
    path = prepare_weights(cache, source, rounds=False)
    assert any(tensor.blocks for tensor in stored_tensors(path))
    direct = load_transformer(source, dtype=torch.bfloat16)
    short = load_transformer(source, dtype=torch.bfloat16, prepared=path)
    for (name, ours), (_, theirs) in zip(short.state_dict().items(), direct.state_dict().items(), strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs), name


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
    assert "prepared weights" in cli("models", "list").out
    again = json.loads(cli("models", "prepare", "r2v", "--json").out)
    assert again[0]["path"] == done.out.strip()
    assert cli("models", "prepare", "--remove").code == 0
    assert not Path(done.out.strip()).exists()
    assert "prepared weights" not in cli("models", "list").out


def test_the_command_prepares_transformers_where_asked(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    checkpoint = demo_checkpoint("r2v", tmp_path)
    for file in (checkpoint / "transformer").glob("*.safetensors"):
        save_file({name: value.to(torch.bfloat16) for name, value in load_file(file).items()}, file)
    cli("models", "use", str(checkpoint))
    made = json.loads(cli("models", "prepare", "r2v", "--transformer", "--json").out)
    before = [sum(map(read_at_a_start, (checkpoint / name).glob("*.safetensors"))) for name in PARTS]
    assert [one["saves_bytes"] for one in made] == [
        size - read_at_a_start(Path(one["path"])) for size, one in zip(before, made, strict=True)
    ]
    assert cli("models", "prepare", "--remove").code == 0
    assert not any(Path(one["path"]).exists() for one in made)


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

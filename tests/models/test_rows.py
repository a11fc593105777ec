"""The token table of a text encoder stays in its file: each prompt gets the very bits that a whole table gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines.checkpoints.prepared import TABLE, prepare_weights, start_bytes
from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.front.cost import AVATAR_19B, WAN_14B
from pipelines.front.errors import CheckpointMismatch, CheckpointMissing
from pipelines.loading.load import tensor_files
from pipelines.loading.rows import StoredRows
from pipelines.loading.stored import stored_tensors
from pipelines.models.encoders import text
from pipelines.models.encoders.text import PromptEncoder, load_prompt_encoder
from pipelines.running.pool import model_bytes

PROMPTS = ("a cat", "Ein Haus am See, öäü 🌊", "word " * 700)

Find = Callable[[Path, Path], dict[str, object]]


def plain(checkpoint: Path, _cache: Path) -> dict[str, object]:
    return {"source": checkpoint / "text_encoder"}


def prepared(checkpoint: Path, cache: Path) -> dict[str, object]:
    return {**plain(checkpoint, cache), "prepared": prepare_weights(cache, checkpoint / "text_encoder")}


def original(checkpoint: Path, _cache: Path) -> dict[str, object]:
    return {"source": next(checkpoint.glob("models_t5*.pth"))}


CASES = [
    pytest.param("r2v", plain, torch.float32, id="folder"),
    pytest.param("r2v", plain, torch.bfloat16, id="folder, rounded"),
    pytest.param("r2v", prepared, torch.bfloat16, id="prepared"),
    pytest.param("v2v", original, torch.float32, id="extension's .pth"),
    pytest.param("a2v", original, torch.bfloat16, id="avatar's .pth, rounded"),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    cache = tmp_path_factory.mktemp("cache")
    return lambda family: demo_checkpoint(family, cache)


def loaded(given: dict[str, object], checkpoint: Path, dtype: torch.dtype) -> PromptEncoder:
    tokenizer = next(file.parent for file in checkpoint.rglob("tokenizer.json"))
    source = given.pop("source")
    assert isinstance(source, Path)
    return load_prompt_encoder(source, tokenizer, dtype=dtype, **given)  # type: ignore[arg-type]


def bits(value: Tensor) -> Tensor:
    return value.view(torch.int16 if value.element_size() == 2 else torch.int32)


@pytest.mark.parametrize(("family", "find", "dtype"), CASES)
def test_every_prompt_has_the_bits_of_a_whole_table(
    checkpoints: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    find: Find,
    dtype: torch.dtype,
) -> None:
    """Also a later one, of an encoder that stays; and no row of the table is in memory."""
    checkpoint = checkpoints(family)
    ours = loaded(find(checkpoint, tmp_path), checkpoint, dtype)
    assert isinstance(ours.encoder.shared, StoredRows)
    with monkeypatch.context() as patched:
        patched.setattr(text, "has_rows", lambda _tensor: False)
        whole = loaded(find(checkpoint, tmp_path), checkpoint, dtype)
    for prompt in PROMPTS:
        assert torch.equal(bits(ours(prompt)), bits(whole(prompt))), prompt
    table = whole.encoder.shared.weight
    assert model_bytes(whole) - model_bytes(ours) == table.nbytes
    ids = torch.tensor([[0, len(table) - 1, 5, 5], [len(table) // 2, 1, 0, 2]])
    assert torch.equal(bits(ours.encoder.shared(ids)), bits(table[ids]))


def test_a_prepared_table_is_plain_and_no_start_reads_it(checkpoints: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkpoints("r2v") / "text_encoder"
    path = prepare_weights(tmp_path, folder)
    kept = {tensor.name: tensor for tensor in stored_tensors(path)}
    assert kept[TABLE].dtype is torch.bfloat16 and not kept[TABLE].blocks
    assert start_bytes(path) == sum(tensor.num_bytes for name, tensor in kept.items() if name != TABLE)


def test_rows_outlive_their_file_and_a_torn_one_is_told(checkpoints: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoints("r2v") / "text_encoder", tmp_path / "text_encoder")
    tokenizer = checkpoints("r2v") / "tokenizer"
    first, second = (load_prompt_encoder(folder, tokenizer) for _ in range(2))
    wanted = first("a dog")
    (file,) = {tensor.file for one in tensor_files(folder) for tensor in stored_tensors(one) if tensor.name == TABLE}
    with file.open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(CheckpointMissing, match="ends inside"):
        second("a dog")
    shutil.copy(checkpoints("r2v") / "text_encoder" / file.name, file)
    third = load_prompt_encoder(folder, tokenizer)
    shutil.rmtree(folder)
    assert torch.equal(third("a dog"), wanted)


@pytest.mark.parametrize("shape", [None, (9, 4), (3,)], ids=["absent", "another size", "no table"])
def test_a_wrong_table_is_refused_before_anything_is_read(
    checkpoints: Callable[[str], Path], tmp_path: Path, shape: tuple[int, ...] | None
) -> None:
    folder = shutil.copytree(checkpoints("r2v") / "text_encoder", tmp_path / "text_encoder")
    for file in tensor_files(folder):
        tensors = load_file(file)
        if tensors.pop(TABLE, None) is not None:
            save_file(tensors | ({TABLE: torch.ones(shape)} if shape else {}), file)
    with pytest.raises(CheckpointMismatch, match="shared"):
        load_prompt_encoder(folder, checkpoints("r2v") / "tokenizer")


def test_plans_know_that_the_table_takes_no_memory() -> None:
    names = json.loads((Path(__file__).parents[1] / "goldens/full/r2v.json").read_text("utf-8"))["text_encoder"]
    counts = {
        name: prod(shape[0]) * shape[1] if "{i}" in name else prod(shape)
        for name, shape in names.items()
        if name != TABLE
    }
    needed = 2 * sum(counts.values())
    for network in (WAN_14B, AVATAR_19B):
        assert needed <= network.text_bytes < 1.01 * needed

"""Loading: strict about names and shapes, exact about dtypes, nothing left on meta."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.front.errors import CheckpointMismatch, CheckpointMissing
from pipelines.loading.load import load_network, tensor_files
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.transformer.load import load_transformer


@pytest.fixture
def checkpoint(tmp_path):
    return demo_checkpoint("r2v", tmp_path)


def build():
    return torch.nn.Linear(3, 2)


def stored(tmp_path, **tensors):
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    return [path]


def test_mismatch_names_every_kind(tmp_path):
    files = stored(tmp_path, weight=torch.ones(3, 3), other=torch.ones(1))
    with pytest.raises(CheckpointMismatch) as caught:
        load_network(build, files)
    assert caught.value.missing == ["bias"]
    assert caught.value.unexpected == ["other"]
    assert caught.value.wrong_shape == ["weight"]


def test_allowed_extra_tensors_are_left_out(tmp_path):
    files = stored(tmp_path, weight=torch.ones(2, 3), bias=torch.ones(2), unused=torch.ones(1))
    network = load_network(build, files, allowed_extra=("unused",))
    assert torch.equal(network.weight, torch.ones(2, 3))
    assert not any(value.is_meta for value in network.parameters())


def test_progress_counts_bytes(tmp_path):
    reports = []
    files = stored(tmp_path, weight=torch.ones(2, 3), bias=torch.ones(2))
    load_network(build, files, report=reports.append)
    assert 0 < reports[0].bytes_done < reports[-1].bytes_done <= reports[-1].bytes_total


def test_a_missing_shard_is_named(checkpoint):
    gone = next((checkpoint / "transformer").glob("*00002-of*.safetensors"))
    gone.unlink()
    with pytest.raises(CheckpointMissing, match=gone.name):
        tensor_files(checkpoint / "transformer")


def test_unsharded_and_unindexed_folders_load(checkpoint):
    folder = checkpoint / "transformer"
    whole = load_transformer(folder).state_dict()
    tensors = {}
    for shard in tensor_files(folder):
        tensors |= load_file(shard)
        shard.unlink()
    next(folder.glob("*.index.json")).unlink()
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors")
    again = load_transformer(folder).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_a_truncated_file_is_refused_in_words(checkpoint):
    file = tensor_files(checkpoint / "vae")[0]
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointMissing, match="Download"):
        load_network(build, [file])


def test_unknown_network_options_are_refused(checkpoint):
    path = checkpoint / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "novelty": 3}))
    with pytest.raises(CheckpointMissing, match="novelty"):
        load_transformer(checkpoint / "transformer")


def test_text_embedding_is_tied_and_zeros_are_refused(checkpoint):
    folder = checkpoint / "text_encoder"
    encoder = load_prompt_encoder(folder, checkpoint / "tokenizer").encoder
    assert encoder.encoder.embed_tokens is encoder.shared
    for shard in tensor_files(folder):
        tensors = load_file(shard)
        if "shared.weight" in tensors:
            tensors["shared.weight"].zero_()
            save_file(tensors, shard)
    with pytest.raises(CheckpointMismatch, match="zeros"):
        load_prompt_encoder(folder, checkpoint / "tokenizer")


def test_demo_checkpoint_is_written_once_and_the_same(tmp_path):
    first = demo_checkpoint("r2v", tmp_path / "a")
    again = demo_checkpoint("r2v", tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (again / name).read_bytes() for name in files)
    stamp = (first / files[0]).stat().st_mtime_ns
    assert demo_checkpoint("r2v", tmp_path / "a") == first
    assert (first / files[0]).stat().st_mtime_ns == stamp
    assert [path.name for path in first.parent.iterdir()] == [first.name]

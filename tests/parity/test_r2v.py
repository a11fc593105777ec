"""The parity tool over the stored goldens of reference to video, and what makes it fail."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file, save_file
from transformers import UMT5Config, UMT5EncoderModel

from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parity.__main__ import main
from pipelines.parity.run import run_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"


def copied(tmp_path: Path, *stems: str) -> Path:
    """A folder with a few goldens; the manifests stand beside it as they do in the tree."""
    folder = tmp_path / "r2v"
    folder.mkdir()
    shutil.copytree(GOLDENS / "manifests", tmp_path / "manifests")
    shutil.copytree(GOLDENS / "tokenizer", tmp_path / "tokenizer")
    for stem in stems:
        for file in (GOLDENS / "r2v").glob(f"{stem}.*"):
            shutil.copy(file, folder)
    return folder


def test_every_golden_passes():
    lines = []
    tally = run_goldens("r2v", GOLDENS / "r2v", lines.append)
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert tally.passed > 400
    assert lines[-1] == f"{tally.passed} passed, 0 failed, 0 unchecked"


@pytest.mark.parametrize(
    ("stem", "tensor"),
    [
        ("condition_2", "eps1"),
        ("condition_2", "ref0"),
        ("transformer", "t525.block1"),
        ("transformer", "rope_sin"),
        ("scheduler", "n8.latents"),
    ],
)
def test_one_altered_number_fails(tmp_path, capsys, stem, tensor):
    folder = copied(tmp_path, stem)
    stored = folder / f"{stem}.safetensors"
    tensors = load_file(stored)
    flat = tensors[tensor].flatten()
    flat[flat.numel() // 2] += 3 if flat.dtype == torch.uint8 else 0.01
    save_file(tensors, stored)
    assert main(["r2v", "--goldens", str(folder)]) == 1
    output = capsys.readouterr().out
    assert "FAIL" in output
    assert " 0 failed" not in output.splitlines()[-1]


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        ("buckets", lambda data: data["rows"][3]["540P"].update(height=976)),
        ("scheduler", lambda data: data["tables"]["8"]["timesteps"].__setitem__(3, 893)),
        ("scheduler", lambda data: data["tables"]["4"]["sigmas"].__setitem__(1, 0.9373)),
        ("letterbox", lambda data: data["cases"][2].update(left_top=[13, 0])),
        ("condition_1", lambda data: data["args"].update(generator_seed=43)),
        ("condition_1", lambda data: data.update(seed=1)),
        ("prompt_clean", lambda data: data["cases"][2].update(clean="plain  text")),
    ],
)
def test_one_altered_entry_fails(tmp_path, capsys, stem, change):
    folder = copied(tmp_path, stem)
    path = folder / f"{stem}.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    assert main(["r2v", "--goldens", str(folder)]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_unknown_names_and_uncompared_tensors_are_unchecked(tmp_path, capsys):
    folder = copied(tmp_path, "condition_1")
    (folder / "mystery.json").write_text("{}")
    (folder / "manifest.json").write_text("{}")
    stored = folder / "condition_1.safetensors"
    save_file({**load_file(stored), "extra": torch.zeros(1)}, stored)
    data = json.loads((folder / "condition_1.json").read_text())
    data["tensors"]["extra"] = {"shape": [1], "dtype": "float32", "what": ""}
    (folder / "condition_1.json").write_text(json.dumps(data))
    assert main(["r2v", "--goldens", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("0 failed, 2 unchecked")
    assert not any(line.startswith("manifest.json") for line in lines)


@pytest.mark.parametrize("place", ["r2v/manifests/r2v.json", "r2v/manifest.json", "manifests/r2v.json"])
def test_manifest_is_found_in_the_folder_and_in_its_parent(tmp_path, place):
    folder = copied(tmp_path, "condition_1")
    moved = shutil.move(tmp_path / "manifests" / "r2v.json", tmp_path / "elsewhere.json")
    assert main(["r2v", "--goldens", str(folder)]) == 1
    assert main(["r2v", "--goldens", str(folder), "--manifest", str(moved)]) == 0
    (tmp_path / place).parent.mkdir(exist_ok=True)
    shutil.move(moved, tmp_path / place)
    assert main(["r2v", "--goldens", str(folder)]) == 0


def released(component: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of a full-size component."""
    found = {}
    for name, shape in json.loads((GOLDENS / "full" / "r2v.json").read_text())[component].items():
        if "{i}" in name:
            found |= {name.format(i=i): tuple(shape[0]) for i in range(shape[1])}
        else:
            found[name] = tuple(shape)
    return found


def shapes(network) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def test_full_size_networks_have_exactly_the_released_tensors():
    counts = json.loads((GOLDENS / "full" / "r2v.json").read_text())["parameters"]
    with torch.device("meta"):
        transformer, vae = SkyReelsTransformer(), AutoencoderKLWan()
        text = UMT5EncoderModel(UMT5Config(**FULL_TEXT))
    assert shapes(transformer) == released("transformer")
    assert shapes(vae) == released("vae")
    tied = {"encoder.embed_tokens.weight": shapes(text)["shared.weight"]}
    assert shapes(text) | tied == released("text_encoder") | tied
    assert len(shapes(transformer)) == 1095
    assert sum(value.numel() for value in transformer.parameters()) == counts["transformer"]
    assert sum(value.numel() for value in vae.parameters()) == counts["vae"]


FULL_TEXT = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
}

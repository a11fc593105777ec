"""The parity tool over the stored goldens of the talking avatar, and what makes it fail."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.parity.__main__ import main
from pipelines.parity.run import run_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"


def copied(tmp_path: Path, stem: str) -> Path:
    """A folder with one golden; the manifests stand beside it as they do in the tree."""
    folder = tmp_path / "a2v"
    folder.mkdir()
    shutil.copytree(GOLDENS / "manifests", tmp_path / "manifests")
    shutil.copytree(GOLDENS / "tokenizer", tmp_path / "tokenizer")
    for ending in (".json", ".safetensors"):
        if (GOLDENS / "a2v" / f"{stem}{ending}").exists():
            shutil.copy(GOLDENS / "a2v" / f"{stem}{ending}", folder)
    return folder


def test_every_golden_passes():
    lines = []
    tally = run_goldens("a2v", GOLDENS / "a2v", lines.append)
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert tally.passed > 430
    replayed = {line.split(".json")[0] for line in lines if line.endswith("PASS")}
    assert replayed == {path.stem for path in (GOLDENS / "a2v").glob("*.json")}


@pytest.mark.parametrize(
    ("stem", "tensor"),
    [
        ("audio", "min16k.embedding"),
        ("audio", "stereo44k.resampled"),
        ("clip", "im1.output"),
        ("color", "flat_matched"),
        ("image", "case2.cropped"),
        ("text", "context"),
        ("vae", "latent"),
        ("dit", "block0.norm_x"),
        ("dit", "output_zero_audio"),
        ("dit_two_speakers", "block0.query_positions"),
        ("e2e_short", "draw00 pass0.velocity3 pass0.matched_every8 frames"),
    ],
)
def test_one_altered_number_fails(tmp_path, capsys, stem, tensor):
    folder = copied(tmp_path, stem)
    stored = folder / f"{stem}.safetensors"
    tensors = load_file(stored)
    for name in tensor.split():
        flat = tensors[name].flatten()
        flat[flat.numel() // 2] += 3 if flat.dtype == torch.uint8 else 0.01
    save_file(tensors, stored)
    assert main(["a2v", "--goldens", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.endswith("FAIL")] == tensor.split()


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        ("tables", lambda data: data["key_frames"]["250"].__setitem__(1, 43)),
        ("tables", lambda data: data["audio_plan"][9].update(windows=2)),
        ("tables", lambda data: data["buckets"]["480P"].update({"1.00": [640, 624]})),
        ("tables", lambda data: data["image_sizes"][5]["720P"].update(crop_top_left=[0, 11])),
        ("tables", lambda data: data["timesteps"][3]["t"].__setitem__(1, 10.9)),
        ("tables", lambda data: data["constants"].update(shift=10)),
        ("tables", lambda data: data["video_frames_float_surprises"].pop()),
        ("image", lambda data: data["cases"]["case1"].update(crop_top=15)),
        ("audio", lambda data: data["clips"]["min16k"].update(loudness_lufs=-20.89)),
        ("audio", lambda data: data.update(do_normalize=True)),
        ("dit", lambda data: data.update(checkpoint_seed=1)),
    ],
)
def test_one_altered_entry_fails(tmp_path, capsys, stem, change):
    folder = copied(tmp_path, stem)
    path = folder / f"{stem}.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    assert main(["a2v", "--goldens", str(folder)]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_two_percent_of_noise_is_too_much_for_the_bfloat16_golden(tmp_path, capsys):
    folder = copied(tmp_path, "dit_bf16")
    stored = folder / "dit_bf16.safetensors"
    tensors = load_file(stored)
    noise = torch.randn(tensors["output_bf16"].shape, generator=torch.Generator().manual_seed(0))
    tensors["output_bf16"] += 0.02 * tensors["output_bf16"].std() * noise
    save_file(tensors, stored)
    assert main(["a2v", "--goldens", str(folder)]) == 1
    assert "output_bf16" in capsys.readouterr().out


def test_steps_seed_and_guidance_are_read_from_the_file(tmp_path, capsys):
    folder = copied(tmp_path, "e2e_guidance")
    path = folder / "e2e_guidance.json"
    data = json.loads(path.read_text())
    data["args"].update(seed=99, sampling_steps=1, text_guide_scale=1.0)
    path.write_text(json.dumps(data))
    assert main(["a2v", "--goldens", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = {line.split()[1] for line in lines if line.endswith("FAIL")}
    assert failed > {"derived.transformer_calls", "pass0.latent0"}
    assert failed.isdisjoint({"pass0.y", "audio_embedding", "derived.draws"})

"""Video extension and the shared components against stored stage results; a changed number must be noticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from pipelines.parity.run import Tally, run_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"


def replay(folder: Path, only: str = "") -> tuple[Tally, list[str]]:
    lines: list[str] = []
    return run_goldens("v2v", folder, lines.append, only=only), lines


@pytest.mark.parametrize("folder", ["v2v", "components"])
def test_every_golden_of_the_folder_passes(folder: str) -> None:
    tally, lines = replay(GOLDENS / folder)
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert tally.passed > 100


def with_copy(tmp_path: Path, folder: str, stem: str) -> Path:
    for source in (GOLDENS / folder).glob(f"{stem}.*"):
        shutil.copy(source, tmp_path)
    shutil.copytree(GOLDENS / "manifests", tmp_path / "manifests")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "stem", "tensor"),
    [
        ("v2v", "rope", "sin.128"),
        ("v2v", "scheduler", "trajectory.n4_shift8"),
        ("v2v", "preprocess", "map.1080to720"),
        ("v2v", "float8_weight_only", "codes.bfloat16"),
        ("v2v", "transformer_shot", "b0.after_cross"),
        ("v2v", "transformer_shot", "prefix"),
        ("v2v", "transformer_single_bf16", "time_embed"),
        ("v2v", "pipeline_shot_switching", "s0.latents.3"),
        ("components", "vae_decode", "decoder.upsamples.7.chunk1"),
        ("components", "text_encoder", "bucket_of_distance"),
    ],
)
def test_one_changed_number_fails(tmp_path: Path, folder: str, stem: str, tensor: str) -> None:
    goldens = with_copy(tmp_path, folder, stem)
    path = goldens / f"{stem}.safetensors"
    tensors = load_file(path)
    values = tensors[tensor].flatten()
    values[len(values) // 2] += 2
    save_file(tensors, path)
    tally, lines = replay(goldens, stem)
    assert tally.failed, lines


@pytest.mark.parametrize(
    ("stem", "change"),
    [
        ("segments", lambda data: data["single_shot"][11]["segments"][2].update(new_frames=37)),
        ("buckets", lambda data: data["table"]["540P"][7]["nominal"].__setitem__(1, 944)),
        ("transformer_single", lambda data: data["arguments"].update(timestep=938)),
    ],
)
def test_one_changed_entry_of_a_table_fails(tmp_path: Path, stem: str, change: object) -> None:
    goldens = with_copy(tmp_path, "v2v", stem)
    path = goldens / f"{stem}.json"
    data = json.loads(path.read_text("utf-8"))
    assert callable(change)
    change(data)
    path.write_text(json.dumps(data), "utf-8")
    tally, lines = replay(goldens, stem)
    assert tally.failed, lines


def test_a_stored_tensor_nobody_compares_is_reported(tmp_path: Path) -> None:
    goldens = with_copy(tmp_path, "v2v", "rope")
    path = goldens / "rope.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "unheard_of": tensors["q"].clone()}, path)
    tally, lines = replay(goldens)
    assert tally.unchecked == 1
    assert [line for line in lines if "unheard_of" in line and "UNCHECKED" in line]
    assert tally.is_clean, "it differs from nothing"

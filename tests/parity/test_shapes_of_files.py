"""A golden may hold fewer or more stages, in any order and wording: only a value that differs fails."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.parity.golden import LEVELS, MEAN, PERCENT, NotHeld, number_in
from pipelines.parity.run import Tally, run_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"


@dataclass
class Variant:
    """A golden whose content may be changed before it is replayed."""

    family: str
    stem: str
    folder: Path
    data: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def drop(self, pattern: str, *, declared: bool = True) -> list[str]:
        """Remove tensors whose whole name fits; their words stay unless `declared` goes too."""
        names = [name for name in self.tensors if re.fullmatch(pattern, name)]
        for name in names:
            del self.tensors[name]
            if declared:
                self.data.get("tensors", {}).pop(name, None)
        return names

    def replay(self) -> tuple[Tally, list[str]]:
        """Write it and run the tool over it."""
        (self.folder / f"{self.stem}.json").write_text(json.dumps(self.data), "utf-8")
        if self.tensors:
            save_file(self.tensors, self.folder / f"{self.stem}.safetensors")
        lines: list[str] = []
        return run_goldens(self.family, self.folder, lines.append), lines


@pytest.fixture
def variant(tmp_path: Path) -> Callable[[str, str], Variant]:
    """Makes a copy of a stored golden in a folder of its own, the manifests beside it."""

    def make(family: str, stem: str) -> Variant:
        folder = tmp_path / family
        folder.mkdir()
        for shared in ("manifests", "tokenizer"):
            shutil.copytree(GOLDENS / shared, tmp_path / shared)
        stored = GOLDENS / family / f"{stem}.safetensors"
        data = json.loads((GOLDENS / family / f"{stem}.json").read_text("utf-8"))
        return Variant(family, stem, folder, data, load_file(stored) if stored.exists() else {})

    return make


DROPPED = [
    ("v2v", "pipeline_single_shot", r"s0\.latents\.[0-6]"),
    ("v2v", "pipeline_single_shot", r"input_frames|timesteps|sigmas|context"),
    ("v2v", "scheduler", r"(trajectory|sigmas)\.n(4|50)_.*"),
    ("v2v", "rope", r"cos\.128|q_plain.*"),
    ("v2v", "preprocess", r"frames\.1|size\.2|prefix_video\.3|map\.1.*"),
    ("v2v", "transformer_single", r"b0\.(norm1|q_rope)|out|time_embed"),
    ("r2v", "pipeline_ref1", r"boxed0|pred0_cond|video"),
    ("r2v", "pipeline_ref1", r"raw0"),
    ("r2v", "condition_2", r"eps0|noise"),
    ("r2v", "scheduler", r"n4\.(latents|start)"),
    ("r2v", "letterbox", r"src03|out05"),
    ("r2v", "images", r"gif_first_frame\.file|rgb\.rgb"),
    ("r2v", "text", r"ids1|embeds2|raw_hidden0"),
    ("r2v", "vae", r"mean|z2|tiled_z"),
    ("r2v", "transformer", r"t525\..*|rope_cos"),
    ("a2v", "e2e_short", r"pass0\.(latent[0-3]|velocity\d|y)|draw00|audio_embedding"),
    ("a2v", "image", r"case1\.input|case2\.cropped"),
    ("a2v", "audio", r"silence16k\.input|min16k\.conv"),
    ("a2v", "clip", r"im0\..*"),
    ("a2v", "color", r"flat_source|lab|uint8"),
    ("a2v", "text", r"mask"),
    ("a2v", "vae", r"video"),
    ("a2v", "dit", r"tokens|block0\.ffn|output"),
    ("components", "vae_decode", r"unscaled|decoder\.upsamples\.3\..*|frames_uint8"),
    ("components", "text_encoder", r"ids\.0|context\.2|bucket_of_distance"),
]


@pytest.mark.parametrize(("family", "stem", "pattern"), DROPPED)
@pytest.mark.parametrize("declared", [True, False], ids=["and its words", "its words stay"])
def test_what_a_file_does_not_hold_is_said_and_fails_nothing(
    variant: Callable[[str, str], Variant], family: str, stem: str, pattern: str, declared: bool
) -> None:
    golden = variant(family, stem)
    dropped = golden.drop(pattern, declared=declared)
    assert dropped
    tally, lines = golden.replay()
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert tally.failed == 0
    if not declared:
        missing = {line.split("  ")[1] for line in lines if line.endswith("NOT HELD")}
        assert set(dropped) <= missing
        assert tally.absent >= len(dropped)


STEPS = [
    ("r2v", "pipeline_ref1", "latents"),
    ("r2v", "scheduler", "n8.latents"),
    ("v2v", "scheduler", "trajectory.n8_shift5"),
]


@pytest.mark.parametrize(("family", "stem", "name"), STEPS)
@pytest.mark.parametrize("kept", [lambda steps: steps[-1:], lambda steps: steps[-3:], lambda steps: steps[-1]])
def test_of_all_steps_the_last_may_be_all_that_is_held(
    variant: Callable[[str, str], Variant], family: str, stem: str, name: str, kept: Callable[[Any], Any]
) -> None:
    golden = variant(family, stem)
    golden.tensors[name] = kept(golden.tensors[name]).clone()
    golden.data["tensors"].pop(name)
    tally, lines = golden.replay()
    assert tally.is_clean, lines
    assert any(f"  {name}  " in line and line.endswith("PASS") for line in lines)
    golden.tensors[name].flatten()[0] += 1
    assert golden.replay()[0].failed == 1


def test_the_steps_of_a_whole_run_go_by_their_names(variant: Callable[[str, str], Variant]) -> None:
    golden = variant("r2v", "pipeline_ref1")
    steps = golden.tensors.pop("latents")
    golden.data["tensors"].pop("latents")
    golden.tensors |= {"latents_last": steps[-1:].clone(), "latents.3": steps[3:4].clone()}
    tally, lines = golden.replay()
    assert tally.is_clean, lines
    compared = {line.split("  ")[1] for line in lines if line.endswith("PASS")}
    assert {"latents_last", "latents.3"} <= compared


MASKS = {
    "as stored": lambda known, tail, frames, name: name,
    "frames first": lambda known, tail, frames, name: f"F={frames}, known {known}, tail {tail}",
    "tail first": lambda known, tail, frames, name: f"later window, tail {tail}; F = {frames}; known {known} (pass 2)",
    "equals signs": lambda known, tail, frames, name: f"3rd window: tail={tail}, known={known}, F={frames}",
}


@pytest.mark.parametrize("order", MASKS)
def test_the_numbers_of_a_mask_are_found_by_their_names(variant: Callable[[str, str], Variant], order: str) -> None:
    golden = variant("a2v", "tables")
    named = {}
    for name, mask in golden.data["masks"].items():
        known, tail, frames = (re.search(rf"\b{word}[ =](\d+)", name)[1] for word in ("known", "tail", "F"))  # type: ignore[index]
        named[MASKS[order](known, tail, frames, name)] = mask
    golden.data = {"masks": named}
    tally, lines = golden.replay()
    assert (tally.is_clean, tally.passed) == (True, 3), lines
    first = next(iter(named.values()))["channels_by_latent_frame"]
    first[0][0] = 1 - first[0][0]
    assert golden.replay()[0].failed == 1


@pytest.mark.parametrize(
    ("family", "stem"),
    [("a2v", "tables"), ("a2v", "image"), ("a2v", "color"), ("r2v", "letterbox"), ("r2v", "buckets"), ("v2v", "rope"),
     ("v2v", "segments"), ("v2v", "buckets"), ("v2v", "preprocess"), ("components", "vae_encode")],
)  # fmt: skip
def test_order_and_more_keys_than_known_make_no_difference(
    variant: Callable[[str, str], Variant], family: str, stem: str
) -> None:
    golden = variant(family, stem)
    shuffle = random.Random(1)

    def mixed(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, mixed(entry)) for key, entry in value.items()]
            shuffle.shuffle(items)
            return dict(items)
        return [mixed(entry) for entry in value] if isinstance(value, list) else value

    golden.data = {**mixed(golden.data), "remarks": ["made elsewhere"], "version": {"tool": 2}}
    golden.tensors = {name: golden.tensors[name] for name in sorted(golden.tensors, reverse=True)}
    if golden.tensors:
        golden.tensors["made.elsewhere"] = torch.zeros(3)
    tally, lines = golden.replay()
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert tally.unchecked == bool(golden.tensors)


@pytest.mark.parametrize("family", ["r2v", "v2v", "a2v", "components"])
def test_a_file_of_which_nothing_can_be_compared_fails(variant: Callable[[str, str], Variant], family: str) -> None:
    golden = variant(family, {"r2v": "condition_1", "v2v": "rope", "a2v": "vae", "components": "vae_encode"}[family])
    golden.tensors, golden.data = {}, {"manifest": golden.data.get("manifest", "")}
    tally, lines = golden.replay()
    assert not tally.is_clean
    assert (tally.passed, tally.failed, tally.empty) == (0, 0, 1), lines


SENTENCES = [
    (
        "latents and y atol 2e-3 (pass 3 and later 5e-3), frames at most 2 levels apart and at most 5 percent differ",
        2,
        5,
    ),
    ("at most 5 % of the frame values different, 2 levels at most; later 5e-3, atol 2e-3 before", 2, 5),
    ("uint8, at most 1 level off, on at most 0.5 % of the values", 1, 0.5),
    ("on 0.5% of the uint8 values, 1 level", 1, 0.5),
]


@pytest.mark.parametrize(("sentence", "levels", "percent"), SENTENCES)
def test_the_numbers_of_a_tolerance_are_found_by_their_words(sentence: str, levels: float, percent: float) -> None:
    assert (number_in(sentence, LEVELS), number_in(sentence, PERCENT)) == (levels, percent)
    if "atol" in sentence:
        assert (number_in(sentence, "atol #"), number_in(sentence, "later #")) == (2e-3, 5e-3)
    with pytest.raises(NotHeld):
        number_in(sentence, MEAN)

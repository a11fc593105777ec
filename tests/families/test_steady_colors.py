"""Steady colours: what drifts from piece to piece is brought back, by hand and in a real job, and only when asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.families.v2v.generate import generate_single_shot
from pipelines.families.v2v.steps import to_signed, truncate_to_bytes
from pipelines.front.progress import Stage, ignore_progress
from pipelines.media.read.video import read_tail
from pipelines.running.pool import ModelPool
from pipelines.sampling.colors import give_colors, match_colors, shared_statistics
from pipelines.tasks.single_shot_extension import SingleShotExtension
from tests.families.test_v2v import CODECS, SOUND, StopOnce, run_with_stops, runtime_in, short_pieces
from tests.media.films import film, moving

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
pytestmark = pytest.mark.usefixtures("small_pictures")
WARMER = np.array([1.03, 1.0, 0.97])
"""Red, green and blue of each piece beside the piece before."""


def means(frames: np.ndarray) -> np.ndarray:
    return frames.astype(np.float64).mean(axis=(0, 1, 2))


def warmer(frames: np.ndarray) -> np.ndarray:
    return (frames * WARMER).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("picture", ["astronaut.jpg", "coffee.jpg"])
def test_six_pieces_that_grow_warmer_keep_the_first_one_s_colours(picture: str) -> None:
    with Image.open(SAMPLES / picture) as image:
        still = np.asarray(image.convert("RGB").resize((96, 64)))
    # Dimmed, because lights that a drift has cut off cannot be brought back.
    first = np.stack([np.roll((still * 0.8).astype(np.uint8), shift, axis=1) for shift in range(9)])
    mean, spread = shared_statistics(to_signed(first[-5:]))
    kept, left_alone = [first], [first]
    for _ in range(5):
        # A piece goes on from what was written before it; what drifts is the colour, the picture moves on.
        piece = warmer(np.roll(kept[-1], 9, axis=2))
        kept.append(truncate_to_bytes(give_colors(to_signed(piece), mean, spread)))
        left_alone.append(warmer(left_alone[-1]))
    assert np.abs(means(kept[-1]) - means(kept[0])).max() <= 1
    assert np.abs(means(left_alone[-1]) - means(first)).max() > 10, "without it the drift is plain"


def test_the_statistics_of_many_frames_are_those_of_one_large_picture() -> None:
    frames = torch.rand(1, 3, 6, 8, 10, generator=torch.Generator().manual_seed(1)) * 2 - 1
    one = frames.permute(0, 1, 3, 2, 4).reshape(1, 3, 1, 8, 60)
    shared = give_colors(frames, *shared_statistics(frames))
    assert torch.allclose(shared_statistics(frames), shared_statistics(one), atol=1e-4)
    assert torch.allclose(shared, match_colors(frames, one), atol=1e-4)


def test_frames_of_one_colour_have_no_spread_and_stay_finite() -> None:
    grey = torch.full((1, 3, 4, 8, 8), 0.25)
    kept = give_colors(grey, *shared_statistics(grey))
    assert torch.isfinite(kept).all() and torch.allclose(kept, grey, atol=2e-3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", moving(36, 48, 64), 24, *SOUND, *CODECS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def asked(clip: Path) -> SingleShotExtension:
    return SingleShotExtension(
        prompt="A boat goes on", input_video=(str(clip),), resolution="128P", profile="demo", duration=6,
        num_inference_steps=4, output="new", steady_colors=True,
    )  # fmt: skip


def test_a_job_keeps_the_colours_of_its_input(tmp_path: Path, clip: Path, cache: Path) -> None:
    request, pool = asked(clip), ModelPool()
    steady = generate_single_shot(request, runtime_in(tmp_path / "steady", cache), pool, ignore_progress)
    plain = generate_single_shot(
        replace(request, steady_colors=False), runtime_in(tmp_path / "plain", cache), pool, ignore_progress
    )
    wanted = means(read_tail(clip, 25, fps=None))
    assert np.abs(means(read_tail(steady.path, 25, fps=None)) - wanted).max() <= 4, "a codec lies between"
    assert np.abs(means(read_tail(plain.path, 25, fps=None)) - wanted).max() > 10
    assert json.loads(steady.path.with_suffix(".json").read_text())["request"]["steady_colors"] is True


def test_a_steady_job_goes_on_after_stops_with_the_same_bytes(tmp_path: Path, clip: Path, cache: Path) -> None:
    request = asked(clip)
    steady = short_pieces(request, runtime_in(tmp_path / "steady", cache), ModelPool(), ignore_progress)
    stops = StopOnce(lambda p: p.stage in (Stage.DENOISE, Stage.CONDITION) and p.step in (0, 2))
    again = run_with_stops(short_pieces, request, runtime_in(tmp_path / "again", cache), stops)
    assert len(stops.stopped_at) >= 4
    assert again.read_bytes() == steady.path.read_bytes()

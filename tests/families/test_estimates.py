"""What the estimate of a form says about extensions and avatars before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.demo.checkpoints import __file__ as demo_file
from pipelines.tasks import task_named
from skyreels_tui.eta.outlook import made_facts
from tests.media.films import tone

SAMPLES = Path(demo_file).parent / "samples"
CLIP = {"input_video": (str(SAMPLES / "clip.mp4"),)}


def first_line(task_name: str, **values: Any) -> str:
    task = task_named(task_name)
    request = task.request_type(profile="demo", resolution="128P", **{"prompt": "on", **values})
    plan = task.plan(request)
    return ", ".join(made_facts(plan))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "132 frames (5.5 s), 1 piece, 8 steps"),
        (12, "300 frames (12.5 s), 3 pieces, 24 steps"),
        (30, "728 frames (30.3 s), 6 pieces, 48 steps"),
    ],
)
def test_a_shot_that_goes_on(seconds: int, words: str) -> None:
    assert words in first_line("single_shot_extension", duration=seconds, **CLIP)


@pytest.mark.parametrize(
    ("prompt", "cut", "words"),
    [
        ("on", "", "no cut tag"),
        ("on", "[CUT_AWAY]", "cut [CUT_AWAY], 8 steps"),
        ("[zoom_in_cut] on", "[CUT_AWAY]", "cut [ZOOM_IN_CUT] as typed"),
        ("[red] on", "", "no cut tag"),
    ],
)
def test_which_cut_the_model_will_read(prompt: str, cut: str, words: str) -> None:
    line = first_line("shot_switching_extension", prompt=prompt, cut=cut, duration=2, **CLIP)
    assert "49 frames (2.0 s)" in line
    assert words in line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2, "50 frames (2.0 s), 1 piece, 4 steps"),
        (10, "250 frames (10.0 s), 5 pieces, 20"),
    ],
)
def test_an_avatar(tmp_path: Path, seconds: int, words: str) -> None:
    voice = tone(tmp_path / "voice.wav", seconds, rate=16000)
    portrait = (str(SAMPLES / "astronaut.jpg"),)
    assert words in first_line("talking_avatar", input_image=portrait, input_audio=(str(voice),))

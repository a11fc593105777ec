"""What the tests of films share: the command line in a fresh home, and a project's folder as another page keeps it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import cli, home, picture

__all__ = ["cli", "home", "picture", "project"]

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's root: pictures, a clip, a voice and music, and `queues/` for the files that name them."""
    root = tmp_path / "project"
    for folder in ("ref", "audio", "result/reference_to_video", "queues"):
        (root / folder).mkdir(parents=True)
    for name in ("hero", "street"):
        Image.new("RGB", (96, 64), (90, 30, 200)).save(root / "ref" / f"{name}.png")
    shutil.copy(SAMPLES / "clip.mp4", root / "ref" / "before.mp4")
    shutil.copy(SAMPLES / "voice.mp3", root / "audio" / "one.mp3")
    shutil.copy(SAMPLES / "voice.mp3", root / "audio" / "music.mp3")
    return root

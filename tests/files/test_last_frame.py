"""A video's last frame is kept beside it under a free name, and touches nothing that is there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.media.write.video import VideoWriter
from skyreels_tui.results import gallery


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A film of two frames, the last one grey."""
    path = tmp_path / "v1.mp4"
    with VideoWriter(path, 64, 64, 24) as writer:
        writer.write(np.stack([np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 128, np.uint8)]))
    return path


def put(kind: str, path: Path) -> None:
    """Something of a person's under the name that the frame would have."""
    precious = path.with_name("precious")
    precious.write_text("mine")
    match kind:
        case "link":
            path.symlink_to(precious)
        case "dangling link":
            path.symlink_to(path.with_name("nowhere"))
        case "text":
            path.write_text("mine")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)


@pytest.mark.parametrize("kind", ["link", "dangling link", "text", "folder", "pipe"])
def test_what_has_the_name_stays(video, kind):
    taken = video.with_name("v1-last.png")
    put(kind, taken)
    before = taken.lstat()
    frame = gallery.save_last_frame(video)
    assert frame == video.with_name("v1-last-2.png")
    assert abs(int(np.asarray(Image.open(frame)).mean()) - 128) <= 2
    assert (taken.lstat().st_ino, taken.lstat().st_size) == (before.st_ino, before.st_size)
    assert video.with_name("precious").read_text() == "mine"
    assert not video.with_name("nowhere").exists()


def test_the_same_frame_is_kept_once(video):
    assert gallery.save_last_frame(video) == gallery.save_last_frame(video) == video.with_name("v1-last.png")
    assert sorted(one.name for one in video.parent.iterdir()) == ["v1-last.png", "v1.mp4"]

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.model import Job, JobState


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})
    found.create()
    return found


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "hero.png"
    Image.new("RGB", (960, 540), (200, 80, 40)).save(path)
    return str(path)


def job_of(picture: str, **changes: Any) -> Job:
    """A reference-to-video job; changes override its row."""
    request = ReferenceToVideo(prompt="a walk", ref_imgs=(picture,), resolution="540P", duration=5)
    values: dict[str, Any] = {
        "id": 12, "label": "corridor-A", "task_type": "reference_to_video", "request_json": request.to_json(),
        "state": JobState.QUEUED, "position": 1.0, "created_at": "2026-01-05T01:00:00.000+00:00", **changes,
    }  # fmt: skip
    return Job(**values)


@pytest.fixture(autouse=True)
def warnings_reach_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test of the same process may have sent them to a file only."""
    monkeypatch.setattr(logging.getLogger("skyreels_tui"), "propagate", True)

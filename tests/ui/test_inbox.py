"""The inbox in the app: what is dropped appears in the queue, what is refused is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

from skyreels_tui.settings.settings import Settings
from tests.ui.conftest import ASTRONAUT


def drop(folder: Path, name: str, content: object) -> None:
    """Put a batch there in one step, with an old date: nothing is left to wait for."""
    hidden = folder / f".{name}"
    hidden.write_text(json.dumps(content))
    os.utime(hidden, (1, 1))
    hidden.rename(folder / name)


async def test_a_dropped_batch_appears_and_a_bad_one_is_said(start, tmp_path):
    box = tmp_path / "box"
    async with start((100, 30), settings=Settings(inbox=str(box)), gated=True) as s:
        await s.until((box / ".taking").exists, "the inbox")
        job = {"task_type": "reference_to_video", "profile": "demo", "prompt": "a walk", "resolution": "128P"}
        drop(box, "night.json", [{**job, "label": "by [i]night[/]", "ref_imgs": str(ASTRONAUT)}])
        await s.shows("by [i]night[/]")
        assert s.job(1).batch == "night"
        await s.until((box / "done" / "night.json.txt").exists)
        drop(box, "day.json", [{**job, "label": "none"}])
        await s.shows("day.json was not queued")
        assert len(s.app.board.jobs) == 1


async def test_without_the_setting_there_is_no_inbox(start, tmp_path):
    async with start() as s:
        assert s.app.service._owner.inbox is None

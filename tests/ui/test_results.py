"""Results: what lies in the folder is listed, shown, moved to the trash and back."""

from __future__ import annotations

import json
import shutil

from skyreels_tui.screens.form import FormScreen
from skyreels_tui.screens.results import VideoList
from tests.ui.conftest import SAMPLES


def put(result_dir, name: str, **request: object) -> None:
    folder = result_dir / "reference_to_video"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLES / "clip.mp4", folder / f"{name}.mp4")
    if request:
        (folder / f"{name}.json").write_text(json.dumps({"label": name, "request": request}))


async def test_videos_are_listed_searched_trashed_and_brought_back(start, tmp_path):
    result_dir = tmp_path / "result"
    put(result_dir, "bikes [red]", prompt="a street", seed=3, profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await s.press("R")
        await s.shows("bikes [red]")
        await s.shows("a street")
        await s.shows("frames")
        put(result_dir, "dropped")
        await s.shows("dropped")
        await s.press("slash")
        await s.type("bikes")
        await s.until(lambda: len(s.app.screen.query_one(VideoList).videos) == 1)
        await s.press("enter", "d")
        await s.until(lambda: not (result_dir / "reference_to_video/bikes [red].mp4").exists())
        assert len(list((result_dir / ".trash/reference_to_video").iterdir())) == 2
        await s.press("u")
        await s.until(lambda: (result_dir / "reference_to_video/bikes [red].json").exists())


async def test_a_clip_goes_on_in_the_single_shot_form(start, tmp_path):
    put(tmp_path / "result", "clip", prompt="a street", profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await s.press("R")
        await s.shows("a street")
        await s.press("e")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.form_task.name == "single_shot_extension"
        assert s.app.screen.values()["input_video"] == (str(tmp_path / "result/reference_to_video/clip.mp4"),)


async def test_a_new_seed_opens_the_same_request_with_another_seed(start, tmp_path):
    put(tmp_path / "result", "clip", prompt="a street", seed=7, profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await s.press("R")
        await s.shows("a street")
        await s.press("A")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        values = s.app.screen.values()
        assert values["prompt"] == "a street" and values["seed"] != 7

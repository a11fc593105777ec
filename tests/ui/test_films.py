"""The films' screens by keys at 80x24: list, sheet, scenes, takes, order, joining."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.queue.film import Film, FilmFacts, NewFilm, NewScene, SceneFacts
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.screens.films.film import FilmScreen
from skyreels_tui.ui.screens.films.films import FilmsScreen
from skyreels_tui.ui.screens.films.lists import FilmList, SceneList
from tests.ui.conftest import ASTRONAUT, SAMPLES, Session, Start


def request(**values: object) -> ReferenceToVideo:
    fields = {"prompt": "a walk", "ref_imgs": (str(ASTRONAUT),), "resolution": "128P", "profile": "demo", "duration": 1}
    return ReferenceToVideo(**{**fields, **values})


def make(s: Session, name: str = "ep01", *, labels: str = "abc", output: Path | None = None, **scene: object) -> None:
    """Begin a film; with `output` every scene is done."""
    assert s.app.service is not None
    done = "" if output is None else str(output)
    scenes = tuple(NewScene(request(), label, SceneFacts(**scene), done) for label in labels)
    s.app.service.actions.films.create(NewFilm(name, "show", FilmFacts(), scenes))


def film(s: Session, name: str = "ep01") -> Film:
    assert s.app.service is not None
    return s.app.service.film(name)


async def open_films(s: Session) -> None:
    await s.press("F")
    await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
    await s.until(lambda: s.app.screen.query_one(FilmList).films, "a film")


async def open_film(s: Session) -> None:
    await open_films(s)
    await s.press("enter")
    await s.until(lambda: isinstance(s.app.screen, FilmScreen) and s.app.screen.query_one(SceneList).scenes, "scenes")


async def test_films_and_their_sheet(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    async with start() as s:
        make(s, output=clip)
        make(s, "ep02", labels="xy")
        await open_films(s)
        assert "show/ep02" in s.text and "0/2" in s.text and "1 x" in s.text and "not begun" in s.text
        await s.press("down")
        await s.shows("3 c")
        await s.until(lambda: "▀" in s.text, "pictures")
        assert "3/3" in s.text
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FilmScreen), "the scenes")
        # What made the chosen take is known to the queue, whatever lies beside the file.
        await s.shows("seed 42")
        assert "No settings are known" not in s.words
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.press("escape")
        await s.until(lambda: not isinstance(s.app.screen, FilmsScreen), "home")


async def test_a_film_is_run_and_a_scene_made_anew(start: Start) -> None:
    async with start() as s:
        make(s)
        await open_film(s)
        await s.press("r")
        await s.until(lambda: film(s).counts[JobState.DONE] == 3, "the film")
        await s.press("down", "t")
        await s.until(lambda: len(film(s).scenes[1].takes) == 2, "another take")
        await s.until(lambda: film(s).scenes[1].takes[1].state is JobState.DONE, "its end")
        await s.shows("×2")
        assert [scene.chosen and scene.chosen.id for scene in film(s).scenes] == [1, 4, 3]
        # The older one stands for the scene now, then the newer one again.
        await s.press("c")
        await s.until(lambda: film(s).scenes[1].picked == 2, "the choice")
        await s.until(lambda: s.app.screen.query_one(SceneList).scenes[1].picked == 2, "the choice here")
        await s.press("c")
        await s.until(lambda: film(s).scenes[1].picked == 4, "the choice")


async def test_scenes_are_moved_marked_removed_and_brought_back(start: Start) -> None:
    async with start() as s:
        make(s)
        await open_film(s)
        await s.press("J")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["b", "a", "c"], "the order")
        scenes = s.app.screen.query_one(SceneList)
        await s.until(lambda: scenes.selected is not None and scenes.selected.name == "a" and scenes.cursor == 1, "it")
        await s.press("space", "space")
        await s.shows("2 marked")
        await s.press("d")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["b"], "the rest")
        await s.until(lambda: len(scenes.scenes) == 1, "the list")
        await s.press("u")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["b", "a", "c"], "them back")


async def test_marked_scenes_alone_are_run_and_those_from_here(start: Start) -> None:
    async with start(gated=True) as s:
        make(s, labels="abcd")
        await open_film(s)
        await s.press("space", "r")
        await s.until(lambda: film(s).not_begun == 3, "one")
        await s.press("down", "f")
        await s.until(lambda: film(s).not_begun == 1, "from the third")
        assert film(s).scenes[1].takes == ()


async def test_a_failed_scene_is_resumed_from_the_list_of_films(start: Start) -> None:
    async with start(gated=True) as s:
        make(s)
        await open_films(s)
        await s.press("r")
        await s.until(lambda: len([one for one in film(s).scenes if one.takes]) == 3, "jobs")
        await s.press("space")
        await s.until(lambda: film(s).counts[JobState.HELD] >= 2, "them held")
        await s.press("x")
        await s.until(lambda: film(s).counts[JobState.CANCELLED] == 3, "them cancelled")
        s.executor.open_gate()
        await s.press("r")
        await s.until(lambda: film(s).counts[JobState.DONE] == 3, "the film")


async def test_a_film_is_joined_by_a_key(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    async with start() as s:
        make(s, labels="ab", output=clip)
        await open_film(s)
        await s.press("m")
        await s.shows("makes the film")
        await s.until(lambda: s.state(3) is JobState.DONE, "the film", timeout_s=60)
        assert Path(s.job(3).output).parent.parts[-2:] == ("show", "films")


async def test_what_is_refused_is_said(start: Start) -> None:
    async with start() as s:
        make(s, labels="ab")
        await open_film(s)
        await s.press("m")
        await s.shows("has no finished clip")


async def test_names_and_words_of_others_are_only_text(start: Start) -> None:
    async with start() as s:
        make(s, "ep [red]x[/] \x1b[31m", labels="a", words="[bold]hi[/]\x07 there", notes="n")
        await open_films(s)
        assert "[red]x[/]" in s.text and "\x1b" not in s.text
        await s.press("enter")
        await s.shows("[bold]hi[/]")
        await s.shows("no sound yet")


@pytest.mark.parametrize("key", ["enter", "r", "R", "space", "x", "J"])
async def test_without_a_film_only_leaving_is_left(start: Start, key: str) -> None:
    async with start() as s:
        await s.press("F")
        await s.shows("No film here")
        await s.press(key)
        assert isinstance(s.app.screen, FilmsScreen)


async def test_200_scenes_of_20_films_open_quickly(start: Start) -> None:
    async with start() as s:
        for number in range(20):
            make(s, f"ep{number:02d}", labels="x" * 200)
        began = time.perf_counter()
        films = s.app.films()
        assert len(films) == 20 and sum(len(one.scenes) for one in films) == 4000
        assert time.perf_counter() - began < 1.0
        await open_films(s)
        assert "ep19" in s.text

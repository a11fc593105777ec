"""The films' screens by keys at 80x24: list, sheet, scenes, takes, order, joining."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from textual.widgets import Static

from pipelines.front.progress import Stage
from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.executors.fake import Script
from skyreels_tui.films.takes import cancel_film, run_film
from skyreels_tui.queue.film import Film, FilmFacts, NewFilm, NewScene, SceneFacts
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.screens.dialogs.line import LineScreen
from skyreels_tui.ui.screens.films.film import FilmScreen
from skyreels_tui.ui.screens.films.films import FilmsScreen
from skyreels_tui.ui.screens.films.importing import ImportScreen
from skyreels_tui.ui.screens.films.lists import FilmList, SceneList
from skyreels_tui.ui.screens.films.sheet import ContactSheet
from skyreels_tui.ui.screens.films.written import WrittenScreen
from skyreels_tui.ui.screens.form.browse import BrowseScreen, FileList
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.video_view import VideoView
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
        await s.press("K")
        await s.shows("it is the first already")
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


# Made, changed and brought in by keys


async def fill(s: Session, name: str, text: str) -> None:
    """Type into the field of this name of the form on the screen."""
    field = next(one for one in s.app.screen.query(Field) if one.field_name == name)
    next(widget for widget in field.query("*") if widget.focusable).focus()
    await s.pilot.pause()
    await s.type(text)


async def test_a_film_is_begun_and_a_scene_added_edited_and_copied_by_keys(start: Start) -> None:
    async with start() as s:
        await s.press("F")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, WrittenScreen) and s.app.screen.query(Field), "the fields")
        await s.press("ctrl+s")
        await s.shows("a film needs a name")
        await fill(s, "name", "ep01")
        await fill(s, "project", "../out")
        await s.press("ctrl+s")
        await s.shows("a project is a word")
        await fill(s, "project", "")
        await s.press("end", *["backspace"] * 6, *"show")
        await s.press("ctrl+s")
        await s.until(lambda: [one.name for one in s.app.films()] == ["ep01"], "the film")
        assert film(s).project == "show"
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.until(lambda: s.app.screen.query_one(FilmList).films, "it in the list")
        await s.press("enter")
        await s.shows("No scene yet")
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen.query(Field), "the form")
        assert "New scene of ep01" in s.text and "Ctrl+S" in s.footer
        await s.press("ctrl+o")
        await s.shows("demo models")
        await s.until(lambda: s.app.screen.query(Field), "the form")
        await fill(s, "ref_imgs", str(ASTRONAUT))
        await s.press("enter")
        await fill(s, "prompt", "a walk")
        await fill(s, "label", "opening")
        await s.press("ctrl+s")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["opening"], "the scene")
        await s.until(lambda: isinstance(s.app.screen, FilmScreen), "the scenes")
        assert film(s).scenes[0].request.profile == "demo" and film(s).not_begun == 1
        await s.until(lambda: s.app.screen.query_one(SceneList).scenes, "it here")
        await s.press("a")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["opening", "opening-2"], "the copy")
        await s.until(lambda: len(s.app.screen.query_one(SceneList).scenes) == 2, "it here")
        await s.press("e")
        await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen.query(Field), "the form")
        assert "Scene of ep01" in s.text
        await fill(s, "prompt", " at night")
        await s.press("ctrl+s")
        await s.until(lambda: film(s).scenes[0].request.prompt == " at nighta walk", "the change")
        assert film(s).scenes[1].request.prompt == "a walk"


async def test_what_is_heard_with_a_scene_is_written_by_keys(start: Start, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "voice.mp3", tmp_path)
    async with start() as s:
        make(s)
        await open_film(s)
        await s.press("down", "s")
        await s.until(lambda: isinstance(s.app.screen, WrittenScreen) and s.app.screen.query(Field), "the fields")
        await fill(s, "narration", "none.wav")
        await fill(s, "words", "Once upon a time")
        await s.press("ctrl+s")
        await s.shows("Not saved")
        assert film(s).scenes[1].facts == SceneFacts()
        await fill(s, "narration", "")
        await s.press("ctrl+u")
        await fill(s, "narration", "voice.mp3")
        await s.press("ctrl+s")
        await s.until(lambda: film(s).scenes[1].facts.words == "Once upon a time", "the words")
        assert film(s).scenes[1].facts.narration == str(tmp_path / "voice.mp3")
        assert film(s).scenes[0].facts == SceneFacts()


async def test_copies_stand_below_their_own(start: Start) -> None:
    async with start() as s:
        make(s, labels="abc")
        await open_film(s)
        await s.press("space", "down", "space")
        await s.shows("2 marked")
        await s.press("a")
        await s.until(lambda: [one.name for one in film(s).scenes] == ["a", "a-2", "b", "c", "c-2"], "the copies")


async def test_a_file_is_looked_at_before_it_is_imported(start: Start, tmp_path: Path) -> None:
    shutil.copy(ASTRONAUT, tmp_path / "hero.jpg")
    fields = {"task_type": "reference_to_video", "prompt": "x", "profile": "demo", "resolution": "128P"}
    jobs = [
        {**fields, "label": "one", "ref_imgs": ["hero.jpg"], "mood": "blue"},
        {**fields, "label": "two", "ref_imgs": ["{{prev}}", "gone.png"]},
        {**fields, "label": "three", "ref_imgs": ["hero.jpg"], "duration": "long"},
    ]
    (tmp_path / "ep.json").write_text(json.dumps({"name": "ep", "project": "show", "jobs": jobs}))
    async with start() as s:
        await s.press("F")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.press("i")
        await s.until(lambda: isinstance(s.app.screen, BrowseScreen) and "ep.json" in s.text, "the file")
        while "ep.json" not in str(s.app.screen.query_one(FileList).selected):
            await s.press("down")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, ImportScreen), "the preview")
        await s.shows("1 problem")
        assert "scene 3 (three).duration" in s.text and "mood" in s.text and "gone.png" in s.text
        assert s.app.films() == [], "nothing before a yes"
        await s.press("y")
        assert isinstance(s.app.screen, ImportScreen) and s.app.films() == []
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, LineScreen), "the question")
        await s.press("end", "2", "enter")
        await s.shows("show/ep2")
        await s.press("r")
        await s.until(lambda: [one.name for one in s.app.films()] == ["ep2"], "the film")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        assert [one.name for one in film(s, "ep2").scenes] == ["one", "two"]
        assert film(s, "ep2").scenes[0].facts.kept == {"mood": "blue"}
        assert film(s, "ep2").project == "show"


@pytest.mark.parametrize("content", ["{", '{"jobs": 1}', "[]", "\x1b[31m"])
async def test_what_is_no_film_is_said_in_the_preview(start: Start, tmp_path: Path, content: str) -> None:
    (tmp_path / "ep.json").write_text(content)
    async with start() as s:
        s.app.push_screen(ImportScreen(tmp_path / "ep.json", tmp_path))
        await s.until(lambda: "no film" in s.words or "1 problem" in s.words or "problem" in s.words, "why")
        assert "\x1b" not in s.text
        await s.press("y", "r")
        assert s.app.films() == []
        await s.press("escape")
        await s.until(lambda: not isinstance(s.app.screen, ImportScreen), "home")


async def test_a_film_is_written_to_a_file_by_a_key(start: Start, tmp_path: Path) -> None:
    async with start() as s:
        make(s, labels="ab")
        await open_films(s)
        await s.press("E")
        await s.until(lambda: isinstance(s.app.screen, LineScreen), "the question")
        line = s.app.screen.query_one("#dialog-line", LineInput)
        line.value = str(tmp_path / "out.json")
        await s.press("enter")
        await s.until((tmp_path / "out.json").exists, "the file")
        await s.shows("Written")
    assert [one["label"] for one in json.loads((tmp_path / "out.json").read_text())["jobs"]] == ["a", "b"]


async def test_the_whole_film_is_played(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    async with start() as s:
        make(s, labels="ab", output=clip)
        await open_film(s)
        await s.press("p")
        await s.shows("1 of 2")
        await s.until(lambda: "2 of 2" in s.text, "the second", timeout_s=60)
        await s.press("escape")
        await s.until(lambda: not s.app.screen.query_one(VideoView).playing, "its end")
        assert isinstance(s.app.screen, FilmScreen)


async def test_a_narration_is_held_against_its_clip(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    voice = SAMPLES / "voice.mp3"
    spoken, shown = probe_audio(voice).duration_s, probe_video(clip).duration_s
    async with start((120, 30)) as s:
        make(s, labels="a", output=clip, narration=str(voice))
        await open_film(s)
        await s.shows(f"narration {spoken:.1f}/{shown:.1f} s")
        assert ("longer than the clip" in s.text) == (spoken > shown)


# The footer offers what does something

DOES: dict[str, dict[str, tuple[str, ...]]] = {
    "not begun": {"films": ("r Run",), "film": ("r Run", "f From here")},
    "queued": {"films": ("Space Hold", "x Cancel"), "film": ("o Job",)},
    "failed": {"films": ("r Run", "R Resume"), "film": ("r Run", "R Resume", "f From here", "o Job")},
    "cancelled": {"films": ("r Run",), "film": ("r Run", "f From here", "o Job")},
    "done": {"films": (), "film": ("p Play film", "Enter Play", "o Job")},
}
ASKED = ("r Run", "R Resume", "Space Hold", "x Cancel", "f From here", "o Job", "p Play film", "Enter Play")
"""Keys that depend on where the scenes stand."""


@pytest.mark.parametrize("stands", DOES)
async def test_the_footer_offers_what_changes_something(start: Start, tmp_path: Path, stands: str) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    script = Script(failures={(Stage.DENOISE, 2): RuntimeError("no video")}) if stands == "failed" else None
    async with start((240, 30), gated=stands in ("queued", "cancelled"), script=script) as s:
        make(s, labels="ab", output=clip if stands == "done" else None)
        assert s.app.service is not None
        if stands in ("queued", "failed", "cancelled"):
            if stands != "failed":
                s.app.service.actions.pause()
            run_film(s.app.service, film(s))
        if stands == "cancelled":
            cancel_film(s.app.service, film(s))
        wanted = {"queued": JobState.QUEUED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}.get(stands)
        await s.until(lambda: wanted is None or film(s).counts[wanted] == 2, stands)
        await open_films(s)
        for where in ("films", "film"):
            asked = [key for key in ASKED if (where == "film") or not key.startswith(("f ", "o ", "p ", "Enter Play"))]
            if where == "film":
                await s.press("enter")
                await s.until(lambda: isinstance(s.app.screen, FilmScreen), "the scenes")
                asked = [key for key in asked if not key.startswith(("Space", "x "))]
            await s.until(
                lambda asked=asked, where=where: (
                    [key for key in asked if key in s.footer] == [key for key in asked if key in DOES[stands][where]]
                ),
                f"the footer of {where}, {stands}",
            )


async def test_scenes_are_voiced_drawn_and_moved_where_they_can_be(start: Start) -> None:
    async with start() as s:
        make(s, labels="ab")
        await open_film(s)
        screen = s.app.screen
        assert isinstance(screen, FilmScreen)
        offers = [name for name in ("voice", "picture") if screen.check_action(name, ())]
        assert offers == [] and screen.check_action("move", (1,)) and screen.check_action("move", (-1,))
    async with start() as s:
        make(s, "ep02", labels="a", words="hi", picture_prompt="a street")
        await open_film(s)
        assert s.app.screen.check_action("voice", ()) and s.app.screen.check_action("picture", ())
        assert not s.app.screen.check_action("move", (1,)), "a scene alone has one place"


async def test_the_sheet_is_drawn_in_letters_where_pictures_are(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(SAMPLES / "clip.mp4", clip)
    async with start(ascii=True) as s:
        make(s, output=clip)
        await open_films(s)
        drawn = s.app.screen.query_one(ContactSheet).query_one(Static)
        await s.until(lambda: len(set(str(drawn.render()).split("1 a")[0])) > 4, "the pictures")
        odd = {char for char in str(drawn.render()).split("1 a")[0] if not char.isascii()}
        assert not odd, "shades of grey, as everywhere else"

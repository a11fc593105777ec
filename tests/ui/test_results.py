"""Results: the list follows the folder; videos are looked at, named, joined, thrown away, and go on as new jobs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from textual.content import Content

from pipelines.media.ffmpeg import ffmpeg_path
from pipelines.media.read.probe import probe_video
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.results.rename import RenameScreen
from skyreels_tui.ui.screens.results.results import ResultsScreen
from skyreels_tui.ui.widgets.video_list import VideoList
from skyreels_tui.ui.widgets.video_view import Shot, VideoView
from tests.ui.conftest import SAMPLES, Session

TASK = "reference_to_video"


def put(result_dir: Path, name: str, *, inside: bool = False, task: str = TASK, **request: object) -> Path:
    """Lay a video into its task's folder, its recipe beside it or inside it."""
    folder = result_dir / task
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.mp4"
    recipe = {"recipe": 1, "label": name, "task": task, "request": request}
    if inside:
        tags = ["-metadata", f"comment={json.dumps(recipe)}"]
        command = [ffmpeg_path(), "-v", "error", "-i", SAMPLES / "clip.mp4", "-c", "copy", *tags, path]
        subprocess.run(command, check=True)
        return path
    shutil.copy(SAMPLES / "clip.mp4", path)
    if request:
        path.with_suffix(".json").write_text(json.dumps(recipe))
    return path


def labels(s: Session) -> list[str]:
    return [video.label for video in s.app.screen.query_one(VideoList).videos]


def selected(s: Session) -> str:
    video = s.app.screen.query_one(VideoList).selected
    return video.label if video is not None else ""


async def opened(s: Session, word: str = "416x240") -> None:
    await s.press("R")
    await s.shows(word)


async def go_to(s: Session, label: str) -> None:
    """Move the cursor to a video that is listed."""
    await s.press("g", *["j"] * labels(s).index(label))
    assert selected(s) == label


async def told(s: Session, words: str) -> None:
    """Wait for a message; a narrow terminal breaks its lines."""
    await s.tells(words)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result"


# The list


async def test_videos_are_listed_searched_trashed_and_brought_back(start, result):
    put(result, "bikes [red]", prompt="a street", seed=3, profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await s.press("R")
        await s.shows("bikes [red]")
        await s.shows("a street")
        await s.shows("frames")
        put(result, "dropped")
        await s.shows("dropped")
        await s.press("slash")
        await s.type("bikes")
        await s.until(lambda: labels(s) == ["bikes [red]"])
        await s.press("enter", "d")
        await s.until(lambda: not (result / TASK / "bikes [red].mp4").exists())
        assert len(list((result / ".trash" / TASK).iterdir())) == 2
        await s.press("u")
        await s.until(lambda: (result / TASK / "bikes [red].json").exists())
        await s.until(lambda: selected(s) == "bikes [red]")


async def test_the_list_follows_files_deleted_moved_and_dropped_by_hand(start, result):
    one, two = put(result, "one"), put(result, "two")
    async with start() as s:
        await opened(s)
        one.unlink()
        await s.until(lambda: labels(s) == ["two"])
        (result / "mine").mkdir()
        two.rename(result / "mine" / "three.mp4")
        await s.until(lambda: labels(s) == ["three"])
        shutil.copy(SAMPLES / "clip.mp4", result / "loose.mp4")
        await s.until(lambda: sorted(labels(s)) == ["loose", "three"])
        shutil.copy(SAMPLES / "clip.mp4", os.fsdecode(os.fsencode(result) + b"/\xff.mp4"))
        await s.shows("\\xff")
        shutil.rmtree(result / "mine")
        await s.until(lambda: "three" not in labels(s))
        for hidden in (".trash/x.mp4", "mine/a.part.mp4", ".hidden.mp4"):
            (result / hidden).parent.mkdir(exist_ok=True)
            shutil.copy(SAMPLES / "clip.mp4", result / hidden)
        (result / "folder.mp4").mkdir()
        os.mkfifo(result / "pipe.mp4")
        (result / "last.mp4").write_bytes(b"")
        await s.until(lambda: "last" in labels(s))
        assert len(labels(s)) == 3


async def test_nothing_is_shown_of_a_video_that_has_gone_while_it_played(start, result):
    one = put(result, "one")
    async with start() as s:
        await opened(s)
        view, picture = s.app.screen.query_one(VideoView), s.app.screen.query_one("#result-view")
        await s.press("enter")
        await s.until(lambda: view.playing and str(picture.render()) != "")
        on_its_way = view._stop
        one.unlink()
        await s.until(lambda: labels(s) == [] and str(picture.render()) == "")
        view._take(on_its_way, Shot(Content("a picture"), ""))
        assert str(picture.render()) == "" and not view.playing


async def test_films_of_jobs_that_write_elsewhere_are_listed_too(start, result, tmp_path):
    """Every job has its own folder: also one inside another, one by a second name, and one that is not there yet."""
    put(result, "here")
    put(tmp_path / "elsewhere", "there")
    put(result / "inner", "inside")
    (tmp_path / "alias").symlink_to(tmp_path / "elsewhere")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    later = tmp_path / "later"
    folders = [tmp_path / "elsewhere", result / "inner", tmp_path / "alias", later, loop, tmp_path / ("x" * 300)]
    async with start(gated=True) as s:
        job = s.add("first")
        await opened(s)
        assert labels(s) == ["here"]
        entries = [NewJob(job.request, f"job {n}", result_dir=str(folder)) for n, folder in enumerate(folders)]
        s.app.service.actions.add_many(entries)
        await s.until(lambda: sorted(labels(s)) == ["here", "inside", "there"])
        put(later, "new")
        await s.until(lambda: sorted(labels(s)) == ["here", "inside", "new", "there"])
        await go_to(s, "there")
        await s.press("d")
        await s.until(lambda: "there" not in labels(s))
        assert [path.name for path in (tmp_path / "elsewhere" / ".trash" / TASK).iterdir()] == ["there.mp4"]
        await s.press("u")
        await s.until(lambda: "there" in labels(s))


async def test_a_filter_goes_round_the_tasks(start, result):
    put(result, "a", seed=1)
    put(result, "b", task="talking_avatar", seed=1)
    async with start() as s:
        await opened(s)
        wanted = ((["a"], "only Reference to video"), (["b"], "only Talking avatar"), (["a", "b"], "2 videos"))
        for expected, said in (*wanted, wanted[0]):
            await s.press("f")
            assert sorted(labels(s)) == expected
            await s.shows(said)
        await s.press("escape")
        assert len(labels(s)) == 2 and isinstance(s.app.screen, ResultsScreen)


async def test_a_folder_that_cannot_be_made_is_only_empty(start, tmp_path):
    (tmp_path / "result").write_text("in the way")
    async with start() as s:
        await opened(s, "No video here")


# Looking


async def test_enter_plays_and_stops(start, result):
    path = put(result, "clip")
    # Of an hour at one frame in ten seconds: it cannot end by itself while the keys are on their way.
    slow = [ffmpeg_path(), "-v", "error", "-y", "-i", SAMPLES / "clip.mp4", "-vf", "setpts=240*PTS,fps=1/10", path]
    subprocess.run(slow, check=True)
    async with start() as s:
        await opened(s)
        await s.press("enter")
        await s.shows("Enter stops")
        assert s.app.screen.query_one(VideoView).playing
        await s.press("enter")
        await s.shows("frame ")
        assert not s.app.screen.query_one(VideoView).playing


async def test_arrows_stand_still(start, result):
    put(result, "clip")
    async with start() as s:
        await opened(s)
        await s.press("left")
        await s.shows("frame 60 of 60")
        await s.press("left")
        await s.shows("frame 59 of 60")
        await s.press("right", "right", "right")
        await s.shows("frame 60 of 60")
        await s.press("escape")
        await opened(s)
        await s.press("right", "right")
        await s.shows("frame 2 of 60")


async def test_a_film_that_ends_stands_at_its_last_frame(start, result):
    put(result, "clip")
    async with start() as s:
        await opened(s)
        await s.press("enter")
        await s.until(lambda: re.search(r"frame 5\d of 60|frame 60 of 60", s.text), "the end of the film")
        assert not s.app.screen.query_one(VideoView).playing


async def test_letters_draw_the_picture_where_there_are_no_symbols(start, result):
    put(result, "clip")
    async with start(ascii=True) as s:
        await opened(s)
        assert "▀" not in s.text


async def test_a_broken_video_says_why(start, result):
    path = put(result, "clip")
    path.write_bytes(path.read_bytes()[:3000])
    async with start() as s:
        await opened(s, "clip.mp4: ")
        await s.press("enter", "right", "l")
        await s.until(lambda: s.app._notifications, "a message")


# Names


REFUSED_NAMES = {
    "taken": "taken.mp4 is there already", "a/b": "A name holds no /", "": "needs a name",
    ".x": "does not begin with a dot", "é" * 101: "too long",
}  # fmt: skip


async def test_a_video_and_its_recipe_get_another_name(start, result):
    put(result, "old", prompt="a street", seed=1)
    put(result, "taken")
    async with start() as s:
        await opened(s)
        await go_to(s, "old")
        await s.press("r")
        await s.until(lambda: isinstance(s.app.screen, RenameScreen))
        for name, refused in REFUSED_NAMES.items():
            s.app.screen.query_one("#dialog-name").value = name
            await s.shows(refused)
            await s.press("enter")
            assert isinstance(s.app.screen, RenameScreen) and "Enter" not in s.footer
        s.app.screen.query_one("#dialog-name").value = "café [red].mp4"
        await s.press("enter")
        await s.until(lambda: selected(s) == "café [red]")
        assert sorted(path.name for path in (result / TASK).iterdir()) == [
            "café [red].json",
            "café [red].mp4",
            "taken.mp4",
        ]
        assert json.loads((result / TASK / "café [red].json").read_text())["request"]["prompt"] == "a street"


async def test_a_rename_that_fails_changes_nothing(start, result, monkeypatch):
    put(result, "old", seed=1)
    async with start() as s:
        await opened(s)
        await s.press("r")
        await s.until(lambda: isinstance(s.app.screen, RenameScreen))
        s.app.screen.query_one("#dialog-name").value = "new"
        (result / TASK / "old.mp4").unlink()
        await s.press("enter")
        await s.until(lambda: s.app._notifications, "a message")
        assert [path.name for path in (result / TASK).iterdir()] == ["old.json"]


# Trash


async def test_marked_videos_go_to_the_trash_together_and_a_taken_name_stays_there(start, result):
    put(result, "a", seed=1)
    put(result, "b", seed=1)
    async with start() as s:
        await opened(s)
        await s.press("space", "space", "delete")
        await s.until(lambda: labels(s) == [])
        put(result, "a")
        await s.until(lambda: labels(s) == ["a"])
        await s.press("u")
        await s.until(lambda: sorted(labels(s)) == ["a", "b"])
        await told(s, "stays in the trash")
        assert (result / ".trash" / TASK / "a.mp4").exists()


async def test_a_video_that_cannot_be_moved_stays_whole(start, result):
    path = put(result, "a", seed=1)
    (result / ".trash").write_text("in the way")
    async with start() as s:
        await opened(s)
        await s.press("d")
        await s.until(lambda: s.app._notifications, "a message")
        assert path.exists() and path.with_suffix(".json").exists() and labels(s) == ["a"]
        assert "u Undo" not in s.footer


# Joining


async def test_marked_videos_are_joined_in_the_order_of_marking(start, result):
    put(result, "a", seed=1)
    put(result, "b", seed=1)
    async with start((140, 30)) as s:
        await opened(s)
        await go_to(s, "b")
        assert "J Join" not in s.footer
        await s.press("space")
        await go_to(s, "a")
        await s.press("space")
        await s.shows("2 marked")
        await s.shows("J Join")
        await s.press("J")
        await s.until(lambda: selected(s) == "b + a", "the joined video")
        joined = result / "joined" / "b-and-1.mp4"
        assert probe_video(joined).num_frames == 120
        assert s.app.screen.query_one(VideoList).marked == []


async def test_joining_clips_of_two_sizes_can_be_stopped(start, result):
    put(result, "a")
    large = result / TASK / "large.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=size=640x480:rate=24:duration=20"]
    subprocess.run([ffmpeg_path(), "-v", "error", *source, "-preset", "ultrafast", large], check=True)
    async with start((140, 30)) as s:
        await opened(s, "640x480")
        await s.press("space", "space", "J")
        await s.shows("of 2 videos ready")
        await s.press("escape")
        await told(s, "Joining was stopped")
        assert isinstance(s.app.screen, ResultsScreen)
        assert not list((result / "joined").iterdir())


# Going on


async def test_a_clip_goes_on_in_the_single_shot_form(start, result):
    path = put(result, "clip", prompt="a street", profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await opened(s, "a street")
        await s.press("e")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.form_task.name == "single_shot_extension"
        assert s.app.screen.values()["input_video"] == (str(path),)


async def test_the_last_frame_becomes_a_reference(start, result):
    put(result, "clip", prompt="a street", profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await opened(s, "a street")
        await s.press("l")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["ref_imgs"] == (str(result / TASK / "clip-last.png"),)


@pytest.mark.parametrize(
    ("key", "field", "name"),
    [("r", "ref_imgs", "clip-frame-3.png"), ("p", "input_image", "clip-frame-3.png"), ("v", "input_video", "held-")],
)
async def test_the_frame_shown_starts_another_job(start, result, key, field, name):
    put(result, "clip", prompt="a street", profile="demo", resolution="128P")
    async with start((80, 24)) as s:
        await opened(s, "a street")
        for number in (1, 2, 3):
            await s.press("right")
            await s.shows(f"frame {number} of 60")
        await s.press("L")
        await s.shows("Start again from this frame")
        await s.press(key)
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        values = s.app.screen.values()
        assert name in values[field][0]
        assert Path(values[field][0]).is_file()
        assert (result / TASK / "clip-frame-3.png").is_file()


async def test_a_still_alone_opens_no_form(start, result):
    put(result, "clip", prompt="a street", profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await opened(s, "a street")
        await s.press("L")
        await s.shows("Start again from this frame")
        await s.press("escape")
        await s.shows("The picture is")
        assert not isinstance(s.app.screen, FormScreen)
        assert (result / TASK / "clip-frame-60.png").is_file()


async def test_a_new_seed_opens_the_same_request_with_another_seed(start, result):
    put(result, "clip", prompt="a street", seed=7, profile="demo", resolution="128P")
    async with start((100, 30)) as s:
        await opened(s, "a street")
        await s.press("A")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        values = s.app.screen.values()
        assert values["prompt"] == "a street" and values["seed"] != 7


async def test_settings_come_from_the_mp4_alone(start, result):
    put(result, "lonely", inside=True, prompt="a street", seed=7, profile="demo", resolution="128P")
    put(result, "foreign")
    async with start((100, 30)) as s:
        await opened(s)
        await go_to(s, "foreign")
        assert "a Again" not in s.footer
        await go_to(s, "lonely")
        await s.shows("the file itself")
        await s.press("slash")
        await s.type("street")
        await s.until(lambda: labels(s) == ["lonely"])
        await s.press("enter", "a")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        values = s.app.screen.values()
        assert (values["prompt"], values["seed"], values["resolution"]) == ("a street", 7, "128P")
        assert s.app.services.drafts.profile == "demo"


# Elsewhere


async def test_a_path_and_an_scp_line_are_copied(start, result):
    path = put(result, "a b")
    line = rf"scp '[^@']+@[^:']+:{re.escape(str(path))}' \."
    async with start() as s:
        await opened(s)
        await s.press("y")
        await s.until(lambda: s.app.clipboard == str(path), "the path")
        await s.press("Y")
        await s.until(lambda: re.fullmatch(line, s.app.clipboard), "the line")


async def test_marked_videos_are_copied_together(start, result):
    paths = [put(result, name) for name in ("a b", "c")]
    async with start() as s:
        await opened(s)
        await s.press("space", "j", "space")
        await s.shows("2 marked")
        await s.press("y")
        await s.until(lambda: sorted(shlex.split(s.app.clipboard)) == sorted(map(str, paths)), "both paths")
        await s.press("Y")
        await s.until(lambda: s.app.clipboard.startswith("scp "), "the line")
        words = shlex.split(s.app.clipboard)
        assert sorted(word.partition(":")[2] for word in words[1:-1]) == sorted(map(str, paths)) and words[-1] == "."


async def test_the_system_s_player_gets_the_file(start, result, tmp_path, monkeypatch):
    path = put(result, "clip")
    async with start() as s:
        await opened(s)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        await s.press("o")
        await told(s, "no player")
        (tmp_path / "bin").mkdir()
        player = tmp_path / "bin" / "xdg-open"
        player.write_text(f'#!/bin/sh\nprintf %s "$1" > {shlex.quote(f"{tmp_path}/played")}\n')
        player.chmod(player.stat().st_mode | stat.S_IXUSR)
        await s.press("o")
        await s.until(lambda: (tmp_path / "played").exists() and (tmp_path / "played").read_text() == str(path))


async def test_a_browser_starts_no_player_on_this_machine(start, result, tmp_path, monkeypatch):
    put(result, "clip")
    player = tmp_path / "bin" / "xdg-open"
    player.parent.mkdir()
    player.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(tmp_path / 'played'))}\n")
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    async with start(served=True) as s:
        await opened(s)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        await s.press("o")
        await told(s, "starts no player")
    assert not (tmp_path / "played").exists()

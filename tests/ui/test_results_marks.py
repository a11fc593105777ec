"""Results: thumbnails, days, order, stars, notes, filters, several at once, and two side by side."""

from __future__ import annotations

import json
import os
import shlex
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from skyreels_tui.results import choosing, gallery
from skyreels_tui.results.choosing import NOTED, STARRED, Order
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.results.compare import CompareScreen
from skyreels_tui.ui.screens.results.note import NoteScreen
from skyreels_tui.ui.screens.results.results import ResultsScreen
from skyreels_tui.ui.widgets.video_list import VideoList
from tests.ui.conftest import ASTRONAUT, Start
from tests.ui.test_results import TASK, go_to, labels, opened, put, selected

FIELDS = {"prompt": "a walk", "ref_imgs": [str(ASTRONAUT)], "resolution": "128P", "profile": "demo", "duration": 5}


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result"


def recipe_of(path: Path) -> dict[str, object]:
    found = json.loads(path.with_suffix(".json").read_text())
    assert isinstance(found, dict)
    return found


def aged(path: Path, days: float) -> Path:
    moment = (datetime.now() - timedelta(days=days)).timestamp()
    os.utime(path, (moment, moment))
    return path


# The list


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_row_has_a_picture_the_prompt_and_the_seed(start: Start, result: Path, size: tuple[int, int]) -> None:
    put(result, "bikes", **{**FIELDS, "seed": 4711, "prompt": "red bikes in a street"})
    async with start(size) as s:
        await opened(s)
        listing = s.app.screen.query_one(VideoList)
        width = listing.content_size.width
        await s.until(lambda: "▀" in listing.row(0, width, False).plain, "the thumbnail")
        row = listing.row(0, width, False).plain
        assert "red bikes" in row and "seed 4711" in row and "128P 5s" in row
        assert len(row.split("\n")) == listing.height(0)


async def test_days_are_headings_while_videos_stand_by_age(start: Start, result: Path) -> None:
    for name, days in (("new", 0.0), ("old", 1.0), ("older", 9.0)):
        aged(put(result, name, **FIELDS), days)
    async with start((100, 30)) as s:
        await opened(s)
        day = datetime.now() - timedelta(days=9)
        for words in ("today", "yesterday", f"{day:%Y-%m-%d}"):
            await s.shows(words)
        assert labels(s) == ["new", "old", "older"]
        await s.press("s")
        await s.until(lambda: labels(s) == ["older", "old", "new"])
        await s.shows("yesterday")
        await s.press("s")
        await s.until(lambda: "yesterday" not in s.text, "no days in an order by label")


async def test_a_click_and_the_page_keys_know_rows_of_several_lines(start: Start, result: Path) -> None:
    for number in range(12):
        aged(put(result, f"v{number:02}", **FIELDS), number / 100)
    async with start((80, 24)) as s:
        await opened(s)
        listing = s.app.screen.query_one(VideoList)
        await s.press("G")
        assert selected(s) == labels(s)[-1] and labels(s)[-1] in s.text
        await s.press("g", "pagedown")
        assert 0 < listing.cursor <= 7
        await s.press("g")
        await s.pilot.click(VideoList, offset=(6, 6))
        assert listing.cursor == 1, "the heading, three lines of the first, then the second"


ORDERED = {
    Order.NEWEST: ["c", "b", "a"],
    Order.OLDEST: ["a", "b", "c"],
    Order.LABEL: ["a", "b", "c"],
    Order.SEED: ["b", "c", "a"],
    Order.SIZE: ["b", "a", "c"],
    Order.LENGTH: ["c", "a", "b"],
}


def video(name: str, num_bytes: int, modified_s: float, **recipe: object) -> Video:
    return Video(Path(f"/r/{TASK}/{name}.mp4"), num_bytes, modified_s, {"label": name, "task": TASK, **recipe})


LISTED = [
    video("a", 20, 1.0, output={"num_frames": 48, "fps": 24}, star=True),
    video("b", 30, 2.0, request={"seed": 1, "prompt": "boats"}, note="too dark"),
    video("c", 10, 3.0, request={"seed": 2}, output={"num_frames": 96, "fps": 24}, star="yes", note=7),
]


@pytest.mark.parametrize("order", list(Order))
def test_every_order(order: Order) -> None:
    assert [one.label for one in choosing.chosen(LISTED, "", "", order)] == ORDERED[order]


@pytest.mark.parametrize(
    ("words", "only", "found"),
    [
        ("", STARRED, ["a"]),
        ("", NOTED, ["b"]),
        ("", TASK, ["c", "b", "a"]),
        ("", "talking_avatar", []),
        ("dark", "", ["b"]),
        ("boats 1", "", ["b"]),
        ("boats 7", "", []),
        ("dark", STARRED, []),
    ],
)
def test_every_filter_with_and_without_words(words: str, only: str, found: list[str]) -> None:
    assert [one.label for one in choosing.chosen(LISTED, words, only, Order.NEWEST)] == found


def test_only_what_some_video_has_is_filtered_by() -> None:
    assert choosing.filters(LISTED) == ["", STARRED, NOTED, TASK]
    assert choosing.filters(LISTED[2:]) == ["", TASK]
    assert choosing.filters([]) == [""]


# Stars and notes


async def test_stars_are_kept_beside_the_videos_and_filtered_by(start: Start, result: Path) -> None:
    paths = [put(result, name, **FIELDS) for name in ("one", "two", "three")]
    async with start((100, 30)) as s:
        await opened(s)
        await go_to(s, "two")
        await s.press("asterisk")
        await s.until(lambda: recipe_of(paths[1]).get("star") is True)
        assert recipe_of(paths[1])["request"] == FIELDS, "the rest of the recipe stays"
        await s.shows("★ two")
        await s.press("f")
        await s.until(lambda: labels(s) == ["two"])
        await s.press("asterisk")
        await s.until(lambda: "star" not in recipe_of(paths[1]))


async def test_star_note_and_trash_act_on_all_that_are_marked(start: Start, result: Path) -> None:
    paths = {name: put(result, name, **FIELDS) for name in ("one", "two", "three")}
    async with start((100, 30)) as s:
        await opened(s)
        for name in ("one", "three"):
            await go_to(s, name)
            await s.press("space")
        await s.press("asterisk")
        await s.until(lambda: all(recipe_of(paths[name]).get("star") for name in ("one", "three")))
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, NoteScreen))
        await s.shows("Note on 2 videos")
        await s.type("hands are fine")
        await s.press("enter")
        await s.until(lambda: all(recipe_of(paths[name]).get("note") == "hands are fine" for name in ("one", "three")))
        assert not {"star", "note"} & recipe_of(paths["two"]).keys()
        await s.press("slash")
        await s.type("hands")
        await s.until(lambda: sorted(labels(s)) == ["one", "three"])
        await s.press("escape", "d")
        await s.until(lambda: not paths["one"].exists() and not paths["three"].exists())
        assert paths["two"].exists()
        await s.press("u")
        await s.until(lambda: paths["one"].exists() and paths["three"].exists())


async def test_a_note_is_left_by_esc_and_taken_away_by_an_empty_line(start: Start, result: Path) -> None:
    path = put(result, "one", **FIELDS)
    async with start((80, 24)) as s:
        await opened(s)
        await s.press("n")
        await s.type("blurred")
        await s.press("enter")
        await s.until(lambda: recipe_of(path).get("note") == "blurred")
        await s.until(lambda: isinstance(s.app.screen, ResultsScreen))
        await s.press("n", "x", "escape")
        await s.until(lambda: isinstance(s.app.screen, ResultsScreen))
        assert recipe_of(path)["note"] == "blurred"
        await s.press("n", "ctrl+u", "enter")
        await s.until(lambda: "note" not in recipe_of(path))


def test_a_video_without_a_sidecar_gets_one_and_loses_it_again(result: Path) -> None:
    path = put(result, "bare")
    [found] = gallery.videos(result)
    gallery.remark(found, star=True)
    [found] = gallery.videos(result)
    assert found.star and path.with_suffix(".json").exists()
    gallery.remark(found, star=False)
    assert not path.with_suffix(".json").exists()


def test_a_recipe_inside_the_file_is_not_lost_by_a_star(result: Path) -> None:
    put(result, "inside", inside=True, **FIELDS)
    [found] = gallery.videos(result)
    gallery.remark(gallery.with_recipe_inside(found), note="keep")
    [found] = gallery.videos(result)
    assert found.note == "keep" and found.request == FIELDS


@pytest.mark.parametrize("content", ["[1]", "no json", "{"])
def test_a_file_of_another_kind_is_not_written_over(result: Path, content: str) -> None:
    path = put(result, "one")
    path.with_suffix(".json").write_text(content)
    [found] = gallery.videos(result)
    with pytest.raises(FileExistsError):
        gallery.remark(found, star=True)
    assert path.with_suffix(".json").read_text() == content


@pytest.mark.parametrize(("star", "note"), [("yes", 7), (1, ["a"]), (None, None), ({}, True)])
def test_marks_of_another_shape_are_none(star: object, note: object) -> None:
    odd = video("odd", 1, 1.0, star=star, note=note)
    assert not odd.star and odd.note == ""


# Several at once


async def test_marked_videos_are_copied_queued_again_and_taken_as_references_together(
    start: Start, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [put(result, name, **{**FIELDS, "seed": seed}) for seed, name in enumerate(("one", "two", "three"))]
    async with start((100, 30), gated=True) as s:
        await opened(s)
        for name in ("three", "one"):
            await go_to(s, name)
            await s.press("space")
        copied: list[str] = []
        monkeypatch.setattr(s.app, "copy_to_clipboard", copied.append)
        await s.press("y", "Y")
        assert copied[0] == shlex.join([str(paths[2]), str(paths[0])])
        assert copied[1].startswith("scp ") and copied[1].count(".mp4") == 2
        await s.press("a")
        await s.shows("Queue 2 jobs again?")
        await s.press("y")
        await s.until(lambda: sorted(job.label for job in s.app.board.jobs) == ["one", "three"])
        seeds = {job.label: job.request.seed for job in s.app.board.jobs}
        assert seeds == {"one": 0, "three": 2}
        await s.until(lambda: isinstance(s.app.screen, ResultsScreen))
        await s.press("l")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await s.until(lambda: len(s.app.screen.values()["ref_imgs"]) == 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "marked", "why"),
    [
        ("c", 0, "marks the two videos to compare: 0 are marked"),
        ("c", 1, "marks the two videos to compare: 1 are marked"),
        ("c", 3, "marks the two videos to compare: 3 are marked"),
        ("J", 1, "marks the videos to join"),
        ("e", 2, "this is done to one video: 2 are marked"),
        ("r", 2, "this is done to one video: 2 are marked"),
        ("u", 0, "nothing went to the trash"),
    ],
)
async def test_a_key_that_does_nothing_says_why(start: Start, result: Path, key: str, marked: int, why: str) -> None:
    for name in ("one", "two", "three"):
        put(result, name, **FIELDS)
    async with start((100, 30)) as s:
        await opened(s)
        await s.press("g", *["space"] * marked, key)
        await s.until(lambda: why in s.footer, why)


async def test_esc_takes_the_marks_away_before_it_leaves(start: Start, result: Path) -> None:
    put(result, "one", **FIELDS)
    async with start((80, 24)) as s:
        await opened(s)
        await s.press("space", "escape")
        assert isinstance(s.app.screen, ResultsScreen)
        await s.until(lambda: not s.app.screen.query_one(VideoList).marked)
        await s.press("escape")
        await s.until(lambda: not isinstance(s.app.screen, ResultsScreen))


# Side by side


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_two_play_in_step_under_the_fields_in_which_they_differ(
    start: Start, result: Path, size: tuple[int, int]
) -> None:
    put(result, "one", **{**FIELDS, "seed": 42})
    put(result, "two", **{**FIELDS, "seed": 45, "num_inference_steps": 12})
    async with start(size) as s:
        await opened(s)
        await go_to(s, "one")
        await s.press("space")
        await go_to(s, "two")
        await s.press("space", "c")
        await s.until(lambda: isinstance(s.app.screen, CompareScreen))
        await s.shows("42 | 45")
        await s.shows("- | 12")
        assert "128P" not in s.text.split("\n\n")[0].splitlines()[1], "what is the same is not said"
        pictures = [s.app.screen.query_one(f"#compare-{side}") for side in ("first", "second")]
        await s.until(lambda: all("▀" in one.content.plain for one in pictures), "both are drawn")
        assert pictures[0].content.plain == pictures[1].content.plain, "the same clip at the same moment"
        await s.until(lambda: not s.app.screen.playing, "both have ended", timeout_s=90.0)  # type: ignore[attr-defined]
        at_s = s.app.screen._at_s  # type: ignore[attr-defined]
        await s.press("right")
        await s.until(lambda: s.app.screen._at_s > at_s)  # type: ignore[attr-defined]
        await s.press("escape")
        await s.until(lambda: isinstance(s.app.screen, ResultsScreen))


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ({"seed": 42}, {"seed": 45}, [("seed", "42", "45")]),
        ({"seed": 42}, {"seed": 42}, []),
        ({"seed": 42, "steps": 8}, {"seed": 42}, [("steps", "8", "")]),
        ({"ref_imgs": ["/a/x.png", "/a/y.png"]}, {"ref_imgs": []}, [("ref_imgs", "x.png, y.png", "")]),
        ({"keep": True}, {"keep": False}, [("keep", "True", "False")]),
    ],
)
def test_differences_name_what_is_not_the_same(
    first: dict[str, object], second: dict[str, object], found: list[tuple[str, str, str]]
) -> None:
    one, other = video("a", 1, 1.0, request=first), video("b", 1, 1.0, request=second)
    assert choosing.differing_fields(one, other) == found

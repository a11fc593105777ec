"""Regions of speakers in the form: drawn by keys over the portrait, typed, refused, queued."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image
from rich.segment import Segment
from textual.widgets import Input, TextArea

from pipelines.front.regions import WHOLE, Box, parse_boxes
from pipelines.tasks import task_named
from skyreels_tui.requests.forms import default_fields
from skyreels_tui.ui.drawing.glyphs import ASCII, UNICODE
from skyreels_tui.ui.drawing.halfblocks import CellPicture
from skyreels_tui.ui.drawing.outlines import Outline, Outlined
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.regions import LEAST, RegionsScreen, darkened
from tests.ui.conftest import ASTRONAUT, SAMPLES, Session
from tests.ui.test_form import field, fill, open_form, problem

VOICE = str(next(SAMPLES.glob("voice.*")))


async def open_avatar(s: Session) -> None:
    s.app.services.drafts.task = "talking_avatar"
    await open_form(s)
    await fill(s, input_image=(str(ASTRONAUT),), input_audio=(VOICE,), prompt="They talk")


async def draw(s: Session) -> RegionsScreen:
    """From the form to the portrait, by keys once the field has the focus."""
    s.app.screen.query_one("More").open = True
    await s.pilot.pause()
    field(s, "regions").query_one("Input").focus()
    await s.press("ctrl+g")
    await s.until(lambda: isinstance(s.app.screen, RegionsScreen) and s.app.screen._view is not None, "the portrait")
    return s.app.screen


async def test_two_regions_are_drawn_by_keys_and_queued(start):
    async with start((80, 24), gated=True) as s:
        await open_avatar(s)
        await draw(s)
        await s.shows("1  left 30 %  top 10 %  width 40 %  height 70 %")
        assert all(corner in s.text for corner in "1┓┗┛")
        await s.press(*["left"] * 13, *["H"] * 2, "down", "J", "shift+down", "K")
        await s.shows("1  left 4 %  top 12 %  width 36 %  height 72 %")
        await s.press("a")
        await s.shows("2  left 40 %  top 12 %  width 36 %  height 72 %")
        assert all(corner in s.text for corner in "┐└┘┓┗┛")
        await s.press(*["right"] * 20, "up")
        await s.shows("2  left 64 %  top 10 %")
        await s.press("tab", "L")
        await s.shows("1  left 4 %  top 12 %  width 38 %")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert field(s, "regions").value == "4,12,38,72 64,10,36,72"
        await s.press("ctrl+s")
        await s.until(lambda: "two voices" in problem(s, "second_audio"), "why it is not queued")
        await fill(s, second_audio=(VOICE,))
        await s.shows("two voices one after the other (experimental)")
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        assert s.job(1).request.regions == "4,12,38,72 64,10,36,72"
        assert s.job(1).request.second_audio == (VOICE,)


async def test_regions_that_overlap_are_said_and_stay_until_they_do_not(start):
    async with start((80, 24), gated=True) as s:
        await open_avatar(s)
        await fill(s, regions="10,10,40,40 50,10,40,40")
        screen = await draw(s)
        await s.press("right")
        await s.shows("overlap")
        await s.press("enter")
        assert s.app.screen is screen
        await s.press("delete", "enter")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert field(s, "regions").value == "50,10,40,40"
        await s.shows("one face of several speaks (experimental)")
        await draw(s)
        await s.press("right", "escape")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert field(s, "regions").value == "50,10,40,40"
        await draw(s)
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert field(s, "regions").value == ""


async def test_a_region_stays_in_the_portrait_however_far_it_is_moved_or_stretched(start):
    near = Box(6, 6, 8, 8)
    far = Box(WHOLE - 14, WHOLE - 14, 8, 8)
    async with start((80, 24), gated=True) as s:
        await open_avatar(s)
        screen = await draw(s)
        for begins, way, letter in ((near, "left", "H"), (far, "right", "L"), (near, "up", "K"), (far, "down", "J")):
            screen._boxes[:] = [begins]
            await s.press(*[way] * 5, *[letter] * 5)
            (box,) = screen._boxes
            assert parse_boxes(str(box)) == (box,)
            assert min(box.width, box.height) >= LEAST
            across = way in ("left", "right")
            edge = (box.left if across else box.top) if begins is near else (box.right if across else box.bottom)
            assert edge == (0 if begins is near else WHOLE), way
            if begins is near:
                assert (box.width if across else box.height) == LEAST


async def test_typed_boxes_are_checked_as_they_stand(start):
    async with start((80, 50), gated=True) as s:
        await open_avatar(s)
        await fill(s, regions="10,10,95,10")
        await s.press("ctrl+s")
        await s.until(lambda: "reaches outside" in problem(s, "regions"), "the refusal")
        assert s.app.screen.query_one("More").open
        # What cannot be read is drawn anew.
        screen = await draw(s)
        assert screen._boxes == [Box(30, 10, 40, 70)]


async def test_without_a_portrait_the_key_says_what_is_missing(start):
    async with start((80, 24), gated=True) as s:
        await open_avatar(s)
        await fill(s, input_image=())
        s.app.screen.query_one("More").open = True
        await s.pilot.pause()
        field(s, "regions").query_one("Input").focus()
        await s.press("ctrl+g")
        await s.shows("Choose the portrait first")
        assert isinstance(s.app.screen, FormScreen)


@pytest.mark.parametrize(
    ("size", "shape"), [((60, 20), (40, 1200)), ((60, 20), (1200, 40)), ((200, 60), (40, 1200)), ((80, 24), (1200, 40))]
)
async def test_every_shape_of_portrait_has_its_frames_within(start, tmp_path, size, shape):
    Image.new("RGB", shape, "navy").save(tmp_path / "odd.png")
    async with start(size, gated=True) as s:
        await open_avatar(s)
        await fill(s, input_image=(str(tmp_path / "odd.png"),))
        await draw(s)
        await s.press("a")
        await s.shows("2  left")


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_a_frame_is_drawn_where_it_says(glyphs):
    under = CellPicture([[Segment("." * 8)]] * 5)
    drawn = Outlined(under, [Outline(1, 1, 5, 3, "1", glyphs.thin, ""), Outline(4, 0, 9, 9, "2", glyphs.thick, "bold")])
    lines = drawn.plain.split("\n")
    thin, thick = glyphs.thin, glyphs.thick
    assert lines[0] == "...." + "2" + thick[4] * 3
    assert lines[1] == "." + "1" + thin[4] * 2 + thick[5] + thin[1] + ".."
    assert lines[3] == "." + thin[2] + thin[4] * 2 + thick[5] + thin[3] + ".."
    assert lines[4] == "...." + thick[5] + "..."


@pytest.mark.parametrize(("shape", "is_cut"), [((120, 160), False), ((60, 320), True), ((640, 60), True)])
async def test_what_the_video_cuts_away_of_the_portrait_is_dark(start, tmp_path, shape, is_cut):
    Image.new("RGB", shape, "white").save(tmp_path / "white.png")
    async with start((80, 24), gated=True) as s:
        await open_avatar(s)
        await fill(s, input_image=(str(tmp_path / "white.png"),))
        screen = await draw(s)
        assert ("what is dark is cut away" in s.text) == is_cut
        pixels = darkened(screen._view.rgb, screen._view.width, screen._view.height, screen._kept)
        assert (min(pixels[:3]) < 100) == is_cut
        middle = (screen._view.height // 2 * screen._view.width + screen._view.width // 2) * 3
        assert pixels[middle : middle + 3] == b"\xff" * 3


def test_regions_are_no_default_of_new_forms():
    """They belong to one portrait."""
    task = task_named("talking_avatar")
    kept = default_fields(task, {"regions": "0,0,50,100", "speaking": "together", "second_audio": (VOICE,)})
    assert kept == {"speaking": "together"}


async def test_regions_are_dropped_with_words_when_another_portrait_is_chosen(start, tmp_path):
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path)
    async with start((80, 24)) as s:
        await open_avatar(s)
        await fill(s, regions="4,12,38,72")
        await fill(s, input_audio=(VOICE,), prompt="They sing")
        assert field(s, "regions").value == "4,12,38,72"
        field(s, "input_image").query_one("LineInput").focus()
        await s.type("coffee.jpg")
        await s.press("enter")
        await s.shows("The regions were drawn over another picture")
        assert field(s, "regions").value == ""


def said_in(entered: Input | TextArea) -> str:
    return entered.value if isinstance(entered, Input) else entered.text


@pytest.mark.parametrize("name", ["prompt", "regions", "input_image"])
async def test_alt_with_a_letter_types_nothing_anywhere(start, name):
    async with start((80, 24)) as s:
        await open_avatar(s)
        s.app.screen.query_one("More").open = True
        await s.pilot.pause()
        entered = field(s, name).query("LineInput, PromptArea").first()
        entered.focus()
        before = said_in(entered)
        await s.press("alt+x", "alt+z")
        assert said_in(entered) == before

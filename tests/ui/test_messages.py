"""Messages keep to their line and their screen; help and commands begin where a person is."""

from __future__ import annotations

import pytest
from textual.screen import Screen
from textual.widgets._toast import Toast

from skyreels_tui.queue.model import JobState
from tests.models_hub.conftest import hub as hub
from tests.ui.conftest import SAMPLES
from tests.ui.test_walk import begin as begin
from tests.ui.test_walk import go

HERE = {"FormScreen", "JobScreen", "ResultsScreen", "ModelsScreen", "DoctorScreen"}


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_message_stands_above_the_keys_and_covers_nothing(start, size):
    async with start(size, gated=True) as s:
        s.add("corridor")
        s.executor.advance(1)
        await s.shows("1/8")
        keys, home = s.footer, s.app.screen
        log = home.query_one("#log").region.bottom
        s.app.tell("something short to say")
        await s.shows("something short to say")
        after = s.text.splitlines()
        assert "something short to say" in after[-2] and after[-1] == keys
        await s.until(lambda: home.query_one("#log").region.bottom == log - 1, "the rest makes room")
        bar = home.query_one("KeyBar").region
        assert not any(bar.overlaps(panel.region) for panel in home.query("Panel, StatusBar") if panel.region.area)


async def test_a_message_is_said_once(start):
    async with start((80, 24)) as s:
        s.app.tell("something short to say")
        await s.until(lambda: s.app.screen.query(Toast), "what Textual makes of it")
        await s.pilot.pause()
        await s.shows("something short to say")
        assert s.text.count("something short") == 1


async def test_a_long_message_breaks_and_a_second_one_joins_it(start):
    async with start((80, 24)) as s:
        s.app.tell("word " * 30)
        s.app.tell("and another", "warning")
        await s.shows("and another")
        assert s.app.screen.query_one("KeyBar").size.height == 4
        assert "? Help" in s.footer


async def test_what_is_no_longer_so_is_not_said_beside_what_is(start):
    async with start((80, 24)) as s:
        await s.until(lambda: s.app.service is not None)
        s.add("corridor")
        await s.until(lambda: s.state(1) is JobState.DONE)
        for done, undone, key in (
            ("job 1 deleted: u brings it back", "job 1 is back", "d u"),
            ("paused: no further job starts", "the queue goes on", "p p"),
        ):
            first, second = key.split()
            await s.press(first)
            await s.shows(done)
            await s.press(second)
            await s.shows(undone)
            assert done not in s.text
        assert "job 1 is back" in s.text, "another thing is said beside it"


async def test_a_message_goes_and_gives_its_line_back(start, monkeypatch):
    async with start((80, 24)) as s:
        monkeypatch.setattr(type(s.app), "NOTIFICATION_TIMEOUT", 0.2)
        s.app.tell("gone soon")
        await s.shows("gone soon")
        await s.until(lambda: "gone soon" not in s.text and s.app.screen.query_one("KeyBar").size.height == 1)


@pytest.mark.parametrize("key", ["S", "R", "M", "question_mark"])
async def test_a_message_does_not_follow_to_another_screen(start, key):
    async with start() as s:
        await s.shows("Nothing here yet")
        s.app.tell("belongs to home")
        await s.shows("belongs to home")
        home = s.app.screen
        await s.press(key)
        await s.until(lambda: s.app.screen is not home and "belongs to home" not in s.text)
        s.app.tell("belongs to the other")
        await s.shows("belongs to the other")
        await s.press("escape")
        await s.until(lambda: s.app.screen is home and "belongs to the other" not in s.text)


async def test_what_a_screen_says_as_it_closes_is_read_on_the_one_below(start):
    async with start() as s:
        await s.press("S")
        await s.shows("Results folder")
        await s.press("ctrl+s")
        await s.shows("Saved")
        await s.shows("Nothing here yet")


class Parting(Screen):
    """Goes on talking from when it goes until the last screen is gone too."""

    talked_to_nobody = False

    def on_unmount(self) -> None:
        self._talk()

    def _talk(self) -> None:
        app = self.app
        self.talked_to_nobody = not app.screen_stack
        app.tell("the last words", "error")
        app.notes.remark("one more")
        app.keys_changed()
        app.notes.show()
        if not self.talked_to_nobody:
            app.call_next(self._talk)


async def test_what_is_said_while_the_program_closes_does_not_break_it(start):
    screen = Parting()
    async with start() as s:
        await s.app.push_screen(screen)
    assert screen.talked_to_nobody


@pytest.mark.parametrize("name", sorted(HERE))
async def test_help_begins_with_the_screen_it_is_asked_on_and_cuts_nothing(begin, name):
    async with begin((80, 24), gated=True) as s:
        await go(s, name)
        own = {one.binding.id.partition(".")[0] for one in s.app.screen.active_bindings.values() if one.binding.id}
        await s.press("f1")
        await s.shows("type to search")
        await s.until(lambda: s.app.screen.query_one("#help-list").count())
        listing = s.app.screen.query_one("#help-list")
        assert listing._scopes[0].name in own - {"everywhere", "list"}
        assert "…" not in "".join(str(listing.row(index, 0, False)) for index in range(listing.count()))
        width = listing.content_size.width
        assert all(listing.row(index, width, False).cell_length <= width for index in range(listing.count()))


@pytest.mark.parametrize(("name", "command"), [("ResultsScreen", "Rename (r)"), ("ModelsScreen", "Files (Enter)")])
async def test_the_commands_are_those_of_the_screen_and_run_there(begin, name, command):
    async with begin((80, 24), gated=True) as s:
        await go(s, name)
        await s.press("ctrl+p")
        await s.type(command.partition(" ")[0].lower())
        await s.shows(command)


async def test_a_command_of_the_results_is_carried_out_on_the_results(begin):
    async with begin((80, 24), gated=True) as s:
        await go(s, "ResultsScreen")
        await s.press("ctrl+p")
        await s.type("rename")
        await s.shows("Rename (r)")
        await s.press("down", "enter")
        await s.until(lambda: type(s.app.screen).__name__ == "RenameScreen", "the question")


async def test_without_colours_pictures_are_letters_in_the_form_and_the_browser(start, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with start((120, 40)) as s:
        s.add("one", ref_imgs=(str(SAMPLES / "astronaut.jpg"),))
        await s.shows("one")
        await s.press("a")
        await s.shows("astronaut.jpg")
        await s.until(lambda: any(letter in s.text for letter in ("%@", "@%", "##", "**")), "a picture of letters")
        assert "\u2580" not in s.text
        await s.press("ctrl+g")
        await s.until(lambda: type(s.app.screen).__name__ == "BrowseScreen", "the browser")
        assert "\u2580" not in s.text

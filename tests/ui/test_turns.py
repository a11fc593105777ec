"""What is typed after a key that opens something goes to what it opens, also in one burst of bytes."""

from __future__ import annotations

import math

import pytest
from textual import events
from textual.widgets import Input

from skyreels_tui.queue.model import JobState
from skyreels_tui.ui import turns
from skyreels_tui.ui.widgets.panel import Panel
from tests.models_hub.conftest import hub as hub
from tests.ui.test_walk import WAYS, go
from tests.ui.test_walk import begin as begin


def burst(s, *keys: str) -> None:
    """Send keys as a slow line does: all at once."""
    for key in keys:
        s.app.post_message(events.Key(key, key if len(key) == 1 else " " if key == "space" else None))


@pytest.mark.parametrize("name", WAYS)
async def test_a_key_right_after_one_that_opens_a_screen_goes_to_that_screen(begin, name):
    async with begin(gated=True) as s:
        opened: list[str] = []
        s.app.screen_change_signal.subscribe(s.app, lambda screen: opened.append(type(screen).__name__))
        await go(s, name)
        there = s.app.screen
        await s.press("escape")
        await s.until(lambda: s.app.screen is not there, "the way out")
        before = s.app.screen
        opened.clear()
        burst(s, WAYS[name][-1], "escape")
        await s.until(lambda: name in opened and s.app.screen is before, f"{name} opened and left: {opened}")


@pytest.mark.parametrize("keys", [("n",), ("n", "escape", "n")])
async def test_text_after_the_key_of_the_form_lands_in_its_first_field(start, keys):
    async with start() as s:
        burst(s, *keys, *"/sp", "x", "q")
        await s.until(lambda: isinstance(s.app.screen.focused, Input) and s.app.screen.focused.value == "/spxq", "text")
        assert not s.app.board.status.pause


@pytest.mark.parametrize(
    ("way", "typed"), [(("question_mark",), "pause"), (("ctrl+p",), "quit"), (("R", "slash"), "dpq")]
)
async def test_text_after_a_key_that_opens_a_search_is_searched_for(start, way, typed):
    async with start() as s:
        burst(s, *way, *typed)
        await s.until(lambda: isinstance(s.app.screen.focused, Input) and s.app.screen.focused.value == typed, typed)
        assert not s.app.board.status.pause


async def test_a_paste_after_the_key_of_the_form_lands_in_it(start):
    async with start() as s:
        burst(s, "n")
        s.app.post_message(events.Paste("/tmp/pqx"))
        await s.until(lambda: "/tmp/pqx" in s.text, "the paste")


async def test_what_moves_by_itself_waits_for_a_key_that_was_typed_and_comes_with_it(start, monkeypatch):
    monkeypatch.setattr(turns, "SOON_S", math.inf)
    async with start() as s:
        drawn: list[bool] = []
        monkeypatch.setattr(s.app, "post_display_hook", lambda: drawn.append(s.app.turns.one_comes))
        s.app.hear()
        s.app.tell("a message")
        await s.press("j")
        await s.until(lambda: drawn and "a message" in s.text, "the message, drawn with what the key did")
        assert not any(drawn), "nothing was drawn before the key"


async def test_a_key_waits_for_one_piece_of_what_is_drawn_and_comes_before_the_rest(start, monkeypatch):
    monkeypatch.setattr(turns, "SOON_S", math.inf)
    async with start(gated=True) as s:
        s.add("first")
        s.add("second")
        await s.until(lambda: s.state(1) is JobState.RUNNING and "second" in s.text, "both jobs, one of them running")
        await s.stand_still()
        home = s.app.screen
        drawn: list[set[object]] = []

        def one_is_drawn() -> None:
            drawn.append(set(home._dirty_widgets))  # what a frame shows is said nowhere else
            if len(drawn) == 1:
                # As the thread that reads the terminal does: while a piece is being drawn.
                s.app.hear()

        panels = {panel for panel in home.query(Panel) if panel.region.area}
        monkeypatch.setattr(s.app, "post_display_hook", one_is_drawn)
        for panel in panels - {home.focused}:
            panel.refresh()
        await s.until(lambda: drawn, "the first piece")
        assert len(drawn) == 1 and len(drawn[0]) == 1
        await s.press("j")
        await s.until(lambda: panels <= set().union(*drawn), "all of it")
        assert drawn[1] == {home.focused}, "the key was followed before the rest"


async def test_pieces_that_may_not_be_drawn_yet_leave_everything_else_its_turn(start):
    async with start(gated=True) as s:
        s.add("first")
        s.add("second")
        await s.shows("second")
        home = s.app.screen
        with s.app.batch_update():
            for panel in home.query(Panel):
                panel.refresh()
            await s.press("j")
            await s.until(lambda: home.focused.cursor == 1, "the move")
        await s.shows("second")


async def test_a_key_that_never_comes_holds_nothing_up(start):
    async with start() as s:
        drawn: list[str] = []
        s.app.hear()
        s.app.post_display_hook = lambda: drawn.append(s.text)
        s.app.tell("a message")
        await s.until(lambda: any("a message" in text for text in drawn), "the message")

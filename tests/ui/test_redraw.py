"""How little is drawn for a change: nothing of what is covered, and a screen is laid out only where it must."""

from __future__ import annotations

from textual._compositor import LayoutUpdate
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Input, Static, TextArea

from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.leave import LeaveScreen
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.results.results import ResultsScreen
from tests.ui.conftest import ASTRONAUT, Session
from tests.ui.test_form import field, fill, open_form


async def steps_pass(s: Session, until: int) -> None:
    """Let the running job end its steps up to one, and the app hear of each."""
    while not (s.app.last_progress and s.app.last_progress.progress.step >= until):
        before = s.app.last_progress
        s.executor.advance()
        await s.until(lambda before=before: s.app.last_progress is not before, "a report")


async def test_a_job_under_a_screen_of_its_own_sends_nothing(start, monkeypatch):
    async with start(gated=True) as s:
        s.add("one")
        await s.until(lambda: s.state(1) is JobState.RUNNING)
        await s.press("R")
        await s.until(lambda: isinstance(s.app.screen, ResultsScreen), "the results")
        await s.shows("No video here")
        await s.stand_still()
        drawn: list[type[Screen]] = []
        monkeypatch.setattr(s.app, "_display", lambda screen, _: drawn.append(type(screen)))
        await steps_pass(s, 5)
        assert not drawn
        monkeypatch.undo()
        await s.press("escape")
        await s.shows("5/8")


async def test_under_a_question_only_what_changes_is_drawn(start, monkeypatch):
    async with start(gated=True) as s:
        s.add("one")
        await s.until(lambda: s.state(1) is JobState.RUNNING)
        await s.press("q")
        await s.until(lambda: isinstance(s.app.screen, LeaveScreen), "the question")
        await s.stand_still()
        drawn: list[object] = []
        monkeypatch.setattr(s.app, "_display", lambda _, update: drawn.append(update))
        await steps_pass(s, 5)
        await s.shows("5/8")
        assert drawn and not any(isinstance(update, LayoutUpdate) for update in drawn)


def count_layouts(screen: Screen, monkeypatch) -> list[None]:
    """An item for every layout of a screen from now on."""
    layouts: list[None] = []
    lay_out = screen._refresh_layout

    def one(*args: object, **kwargs: object) -> None:
        layouts.append(None)
        lay_out(*args, **kwargs)

    monkeypatch.setattr(screen, "_refresh_layout", one)
    return layouts


def has_size(s: Session, selector: str) -> bool:
    return any(widget.size.area for widget in s.app.screen.query(selector))


async def test_the_cursor_of_home_lays_nothing_out(start, monkeypatch):
    async with start((160, 45), gated=True) as s:
        for label in ("one", "two", "three"):
            s.add(label)
        await s.shows("three")
        await s.until(lambda: s.state(1) is JobState.RUNNING and has_size(s, "#selected-picture"), "the selected job")
        await s.stand_still()
        await s.press("down", "up", "down")
        layouts = count_layouts(s.app.screen, monkeypatch)
        await s.press("down", "up", "up")
        await s.until(lambda: s.app.focused.cursor == 0, "the first")
        assert not layouts


async def test_a_typed_letter_lays_nothing_out(start, monkeypatch):
    async with start((80, 24)) as s:
        screen = await open_form(s)
        await fill(s, ref_imgs=(str(ASTRONAUT),), prompt="a walk at nig")
        field(s, "prompt").query_one(TextArea).focus()
        await s.press("end")
        await s.until(lambda: is_checked(screen), "the form, checked")
        await s.stand_still()
        layouts = count_layouts(screen, monkeypatch)
        await s.type("ht")
        await s.until(
            lambda: screen.values()["prompt"] == "a walk at night" and is_checked(screen), "the form, checked"
        )
        assert not layouts


async def test_a_letter_of_one_line_lays_nothing_out_and_a_long_line_scrolls(start, monkeypatch):
    async with start((80, 24)) as s:
        screen = await open_form(s)
        line = field(s, "label").query_one(Input)
        line.focus()
        await s.type("a")
        await s.until(lambda: is_checked(screen), "the form, checked")
        await s.stand_still()
        layouts = count_layouts(screen, monkeypatch)
        await s.type("b" * 90 + "end")
        await s.shows("bend")
        assert line.value == "a" + "b" * 90 + "end"
        assert not layouts
        await s.press("home")
        await s.until(lambda: "abbb" in s.text and "bend" not in s.text, "the beginning")


def is_checked(screen: FormScreen) -> bool:
    return screen._checked is not None and screen._checked.values == screen.values()


class Two(App[None]):
    """A text of any length above another."""

    def compose(self) -> ComposeResult:
        yield Static("x" * 30, id="first")
        yield Static("below", id="second")


async def test_a_text_has_the_room_it_takes_in_every_width():
    app = Two()
    async with app.run_test(size=(40, 10)) as pilot:
        first, second = app.query_one("#first", Static), app.query_one("#second", Static)
        assert second.region.y == 1
        await pilot.resize_terminal(80, 10)
        show_in(first, "y" * 70)
        await pilot.pause()
        assert second.region.y == 1
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert second.region.y == 2
        show_in(first, "z" * 90)
        await pilot.pause()
        assert second.region.y == 3
        show_in(first, "z")
        await pilot.pause()
        assert second.region.y == 1

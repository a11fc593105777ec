"""The line of the keys says what a key does at this moment, where that is not what it usually does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.screens.form.browse import BrowseScreen
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.history import HistoryScreen
from skyreels_tui.ui.screens.form.presets import PresetsScreen
from skyreels_tui.ui.screens.results.results import ResultsScreen
from skyreels_tui.ui.screens.system.help import HelpScreen
from skyreels_tui.ui.widgets.video_view import VideoView
from tests.ui.conftest import ASTRONAUT, Session, Start
from tests.ui.test_results import opened, put


async def says(session: Session, *entries: str) -> None:
    """Wait until the line of the keys has all of these."""
    await session.until(lambda: all(entry in session.footer for entry in entries), f"{entries} in {session.footer!r}")


async def test_esc_clears_the_search_of_help_before_it_leaves(start: Start) -> None:
    async with start() as s:
        await s.press("question_mark")
        await s.until(lambda: isinstance(s.app.screen, HelpScreen))
        await says(s, "Esc Back")
        assert " Help" not in s.footer
        await s.type("seed")
        await says(s, "Esc Clear search")
        await s.press("escape")
        await says(s, "Esc Back")
        assert isinstance(s.app.screen, HelpScreen)
        await s.press("escape")
        await s.until(lambda: not isinstance(s.app.screen, HelpScreen))


async def test_esc_in_what_a_form_opens(start: Start) -> None:
    async with start((120, 36)) as s:
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        for key, screen, begins, label in (
            ("f7", HistoryScreen, "x", "Clear search"),
            ("f8", PresetsScreen, "s", "Close line"),
            ("ctrl+g", BrowseScreen, "slash", "Close filter"),
        ):
            await s.press(key)
            await s.until(lambda screen=screen: isinstance(s.app.screen, screen), str(screen))
            await says(s, "Esc Back")
            await s.press(begins)
            await says(s, f"Esc {label}")
            await s.press("escape")
            await says(s, "Esc Back")
            assert isinstance(s.app.screen, screen)
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "back in the form")


async def test_enter_opens_a_folder_takes_a_file_and_does_nothing_in_an_empty_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / "0-pictures").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "0-pictures")
    (tmp_path / "0-nothing").mkdir()
    async with start((120, 36)) as s:
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await s.press("ctrl+g")
        await says(s, "Enter Open")
        await s.press("enter")
        await s.until(lambda: "Enter" not in s.footer, "an empty folder")
        await s.press("left", "down", "enter")
        await says(s, "Enter Choose")


async def test_keys_of_a_form_that_go_there_and_back(start: Start) -> None:
    async with start((220, 45)) as s:
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        await says(s, "Ctrl+O Demo models", "Ctrl+R Clear")
        await s.press("ctrl+o")
        await says(s, "Ctrl+O Real models")
        await s.press("ctrl+r")
        await says(s, "Ctrl+R Bring back")
        await s.press("ctrl+r")
        await says(s, "Ctrl+R Clear")


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result"


async def test_esc_of_the_results_ends_what_goes_on_before_it_leaves(start: Start, result: Path) -> None:
    put(result, "one")
    async with start((120, 36)) as s:
        await opened(s)
        await says(s, "Enter Play", "Esc Back")
        await s.press("slash", "o")
        await says(s, "Esc Show all")
        await s.press("escape", "space")
        await says(s, "Esc Unmark all")
        await s.press("enter")
        await says(s, "Enter Stop", "Esc Stop")
        await s.press("escape")
        await s.until(lambda: not s.app.screen.query_one(VideoView).playing)
        await says(s, "Enter Play", "Esc Unmark all")
        await s.press("escape")
        await says(s, "Esc Back")
        assert isinstance(s.app.screen, ResultsScreen)


async def test_a_held_job_is_released_and_a_paused_queue_goes_on(start: Start) -> None:
    async with start((160, 45), gated=True) as s:
        await s.until(lambda: s.app.service is not None)
        s.add("first")
        held = s.add("second")
        await s.shows("second")
        await s.until(lambda: s.app.board.running is not None)
        await s.press("down")
        await says(s, "Space Hold", "p Pause")
        await s.press("space")
        await s.until(lambda: s.state(held.id) is JobState.HELD)
        await says(s, "Space Release")
        await s.press("p")
        await says(s, "p Go on")
        await s.press("p", "space")
        await says(s, "Space Hold", "p Pause")


async def test_letters_that_a_field_takes_are_no_keys(start: Start, result: Path) -> None:
    put(result, "one")
    async with start((120, 36)) as s:
        await says(s, "? Help", "n New")
        await s.press("slash")
        await says(s, "F1 Help")
        assert "n New" not in s.footer and "?" not in s.footer
        await says(s, "Esc Close search")
        await s.press("escape")
        await says(s, "? Help")
        assert "Esc" not in s.footer
        await opened(s)
        await says(s, "e Extend", "? Help")
        await s.press("slash")
        await says(s, "F1 Help")
        assert "e Extend" not in s.footer
        await s.press("f1")
        await s.until(lambda: isinstance(s.app.screen, HelpScreen))


async def test_esc_at_home_says_what_it_ends(start: Start) -> None:
    async with start((80, 24), gated=True) as s:
        await s.until(lambda: s.app.service is not None)
        s.add("corridor", prompt="a corridor")
        await s.shows("corridor")
        assert "Esc" not in s.footer
        await s.press("m")
        await says(s, "Esc Unmark all")
        await s.press("escape", "3")
        await says(s, "Esc Fold")
        await s.press("escape", "slash", "c", "enter")
        await says(s, "Esc Close search", "? Help")
        await s.press("escape")
        await says(s, "n New")
        assert "Esc" not in s.footer


async def test_why_a_key_did_nothing_is_read_to_its_end_in_a_narrow_window(start: Start) -> None:
    """It was cut after 78 cells: `(only a retry, as a new row, runs it`."""
    async with start((60, 18)) as s:
        await s.until(lambda: s.app.service is not None)
        job = s.add("first")
        await s.until(lambda: s.state(job.id) is JobState.DONE)
        await says(s, "r Retry")
        await s.press("x")
        await s.until(lambda: "runs it again)" in s.words, "all of the reason")

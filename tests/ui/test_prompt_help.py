"""Prompt help by keys: off until set up, asked before anything is sent, shown as a difference, taken or dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.screens.films.film import FilmScreen
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.prompt_help import PromptHelpScreen, difference
from skyreels_tui.ui.widgets.fields.text import PromptArea
from tests.films.endpoint import KEY, Served, serving
from tests.ui.conftest import Session, Start
from tests.ui.test_films import fill, film, make, open_film

BEFORE = "uma mulher"


def settings(served: Served, tmp_path: Path) -> Settings:
    """With a key in a file of one's own."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    return Settings(prompt_endpoint=served.address, prompt_model="tiny", prompt_key=f"file:{tmp_path / 'key'}")


async def open_help(s: Session) -> None:
    await s.press("n")
    await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen.query(PromptArea), "the form")
    await fill(s, "prompt", BEFORE)
    await s.press("alt+h")


def prompt(s: Session) -> str:
    assert isinstance(s.app.screen, FormScreen)
    return str(s.app.screen.values()["prompt"])


async def test_it_is_off_until_an_endpoint_is_named(start: Start) -> None:
    async with start() as s:
        await open_help(s)
        await s.shows("prompt_endpoint")
        assert prompt(s) == BEFORE


async def test_nothing_is_sent_before_a_yes_and_words_are_taken_by_a_key(start: Start, tmp_path: Path) -> None:
    with serving(text="a woman at night") as served:
        async with start() as s:
            s.app.services.settings.change(settings(served, tmp_path))
            await open_help(s)
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            await s.press("f6")
            await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question")
            await s.shows(served.address)
            assert served.asked == []
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            assert served.asked == []
            await s.press("f6")
            await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question again")
            await s.press("y")
            await s.until(lambda: s.app.screen.query_one(PromptArea).text == "a woman at night", "the words")
            assert [body["messages"][-1]["content"] for body in served.asked] == [BEFORE]
            assert KEY not in s.text
            await s.press("ctrl+end", "!", "ctrl+s")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            assert prompt(s) == "a woman at night!"
            # The second time nobody asks, and what is dropped changes nothing.
            await s.press("alt+h")
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            await s.press("f7")
            await s.until(lambda: len(served.asked) == 2, "the question")
            await s.until(lambda: s.app.screen.query_one(PromptArea).display, "the words")
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            assert prompt(s) == "a woman at night!"
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept and not any(KEY.encode() in path.read_bytes() for path in kept), "no file of ours has the key"


@pytest.mark.parametrize(("kind", "words"), [("status", "status 401"), ("echoes the key", "holds the key")])
async def test_what_went_wrong_is_said_and_the_prompt_stays(
    start: Start, tmp_path: Path, kind: str, words: str
) -> None:
    with serving(kind) as served:
        async with start() as s:
            s.app.services.settings.change(settings(served, tmp_path))
            await open_help(s)
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            await s.press("f8")
            await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question")
            await s.press("y")
            await s.shows(words)
            assert KEY not in s.text
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            assert prompt(s) == BEFORE


async def test_a_slow_answer_is_waited_for_by_nobody(start: Start, tmp_path: Path) -> None:
    with serving("slow") as served:
        async with start() as s:
            s.app.services.settings.change(settings(served, tmp_path))
            await open_help(s)
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            await s.press("f6")
            await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question")
            await s.press("y")
            await s.until(lambda: served.asked, "the request")
            await s.press("escape")
            await s.shows("Stopped")
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            assert prompt(s) == BEFORE


async def test_marked_scenes_are_gone_through_one_by_one(start: Start, tmp_path: Path) -> None:
    with serving(text="more words") as served:
        async with start() as s:
            s.app.services.settings.change(settings(served, tmp_path))
            make(s, labels="abc")
            await open_film(s)
            await s.press("space", "space", "space", "h")
            await s.until(lambda: isinstance(s.app.screen, PromptHelpScreen), "the help")
            await s.shows("1/3 a")
            await s.press("f7")
            await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question")
            await s.press("y")
            await s.until(
                lambda: s.app.screen.query(PromptArea) and s.app.screen.query_one(PromptArea).display, "words"
            )
            await s.press("ctrl+s")
            await s.shows("2/3 b")
            await s.until(lambda: s.app.screen.query_one(PromptArea).display, "the second's words")
            await s.press("escape")
            await s.shows("3/3 c")
            await s.until(lambda: s.app.screen.query_one(PromptArea).display, "the third's words")
            await s.press("ctrl+s")
            await s.until(lambda: isinstance(s.app.screen, FilmScreen), "the scenes")
            await s.until(lambda: film(s).scenes[2].request.prompt == "more words", "the change")
            assert [one.request.prompt for one in film(s).scenes] == ["more words", "a walk", "more words"]


def test_a_difference_shows_both_and_is_only_text() -> None:
    shown = difference("a [red]woman[/] walks", "a \x1b[2J woman in rain walks")
    assert "[red]woman[/]" in shown.plain and "\x1b" not in shown.plain
    assert "in rain" in shown.plain and shown.plain.count("walks") == 1

"""One table of keys: the page, the help and every screen agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.front.progress import Stage
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.drawing.glyphs import SUSPECT
from skyreels_tui.ui.keyboard import keys_markdown, scopes
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.screens.system.glossary import WORDS
from tests.ui.classes import SCREENS
from tests.ui.conftest import Start


def test_the_page_of_keys_is_the_table():
    page = Path(__file__).parents[2] / "doc" / "keys.md"
    assert page.read_text(encoding="utf-8") == keys_markdown(), "run python -m skyreels_tui.ui.keyboard doc/keys.md"


@pytest.mark.parametrize(
    "screen", [cls for cls in SCREENS if "BINDINGS" in vars(cls)], ids=lambda screen: screen.__name__
)
def test_every_key_of_a_screen_does_something_and_is_in_the_table(screen):
    known = {f"{scope.name}.{key.action}" for scope in scopes() for key in scope.keys}
    for binding in screen.BINDINGS:
        assert binding.id in known
        action = binding.action.partition("(")[0]
        assert action.startswith("app.") or action == "quit" or hasattr(screen, f"action_{action}"), action


async def test_help_finds_a_key_by_what_it_does(start):
    async with start() as s:
        await s.press("question_mark")
        await s.shows("type to search")
        await s.type("trash")
        await s.shows("Move the video and its sidecar")
        assert "Hold a waiting job" not in s.text
        await s.press("escape", "escape")
        await s.shows("Nothing here yet")


async def test_every_screen_opens_and_closes_by_keys_at_80x24(start):
    async with start((80, 24)) as s:
        for key, word in (("R", "Results"), ("M", "SkyReels-V3-R2V-14B"), ("D", "Doctor"), ("S", "Results folder"),
                          ("ctrl+t", "Theme"), ("n", "References"), ("question_mark", "type to search")):  # fmt: skip
            await s.press(key)
            await s.shows(word)
            assert "Esc " in s.footer, f"{key}: the way out is in the footer: {s.footer}"
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, HomeScreen))


async def test_help_tells_what_the_words_of_the_screens_mean(start: Start) -> None:
    async with start() as s:
        await s.press("question_mark")
        await s.type("denoise")
        await s.shows("The stage of the steps: most of the time of a job")
        await s.press("escape")
        await s.type("noise drawn")
        await s.shows("same seed and same form, same video")


def test_every_word_of_a_state_or_a_stage_that_is_no_plain_english_is_told() -> None:
    told = {word.word for word in WORDS}
    assert told >= {JobState.HELD, JobState.INTERRUPTED, SUSPECT, Stage.DENOISE, Stage.DECODE}

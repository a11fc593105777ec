"""Every screen is reached, gone through and left by keys alone at 80x24, and every key that works is written down."""

from __future__ import annotations

import asyncio
import gettext
import shutil
import time
from collections.abc import Callable

import pytest
from textual import events

from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front import language
from skyreels_tui.queue.film import NewFilm, NewScene
from skyreels_tui.ui import panels, screens, widgets
from skyreels_tui.ui.keyboard import scopes
from skyreels_tui.ui.screens.dialogs.damaged_queue import UnusableScreen
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from skyreels_tui.ui.screens.home.home import HomeScreen
from tests.models_hub.conftest import FakeHub, Repo, hub, r2v_files  # noqa: F401 - hub is a fixture
from tests.ui.classes import SCREENS, widget_classes
from tests.ui.conftest import SAMPLES, Session
from tests.ui.test_unusable import GARBAGE, app_over, folders  # noqa: F401 - folders is a fixture

WAYS: dict[str, tuple[str, ...]] = {
    "FormScreen": ("n",),
    "BrowseScreen": ("n", "ctrl+g"),
    "HistoryScreen": ("n", "f7"),
    "PresetsScreen": ("n", "f8"),
    "SeedsScreen": ("n", "f9"),
    "JobScreen": ("enter",),
    "ResultsScreen": ("R",),
    "RenameScreen": ("R", "r"),
    "NoteScreen": ("R", "n"),
    "FilmsScreen": ("F",),
    "FilmScreen": ("F", "enter"),
    "WrittenScreen": ("F", "n"),
    "LineScreen": ("F", "E"),
    "ModelsScreen": ("M",),
    "FetchScreen": ("M", "w"),
    "ModelFilesScreen": ("M", "enter"),
    "FolderScreen": ("M", "u"),
    "DoctorScreen": ("D",),
    "SettingsScreen": ("S",),
    "ThemeScreen": ("ctrl+t",),
    "HelpScreen": ("question_mark",),
    "ConfirmScreen": ("x",),
    "LeaveScreen": ("ctrl+q",),
    "CommandScreen": ("ctrl+p",),
}
"""Screen -> the keys that lead there from home, where a job runs and a video is finished."""
ELSEWHERE = {
    "HomeScreen": "where everything starts",
    "CompareScreen": "two marked videos play there: test_results_marks",
    "ImportScreen": "needs a file that was chosen: test_films",
    "PromptHelpScreen": "needs an endpoint: test_prompt_help",
    "RegionsScreen": "needs a portrait: test_regions",
    "StillScreen": "Esc leads to the results and has kept a picture: test_results",
    "TrimScreen": "needs a form with a video or a recording: test_trim",
    "TextScreen": "stands where nothing takes a copied text: test_copying",
    "UnusableScreen": "stands before home when the queue cannot be read: below, and test_unusable",
}
KNOWN = {f"{scope.name}.{key.action}" for scope in scopes() for key in scope.keys}


@pytest.fixture
def begin(start, tmp_path, hub: FakeHub):  # noqa: F811 - a fixture
    hub.repos[CHECKPOINTS["r2v"].repo_ids[0]] = Repo(r2v_files())
    folder = tmp_path / "result" / "reference_to_video"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / "clip.mp4", folder / "clip.mp4")
    return start


async def seen(s, condition, timeout_s: float = 20.0) -> None:
    """Wait without asking for an idle processor, which so many looks could not afford."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, s.text
        await asyncio.sleep(0.01)


async def go(s, name: str, before_last: Callable[[], object] = lambda: None) -> None:
    """Press the keys that lead to a screen, each on the screen that the one before has opened."""
    job = s.add("runs")
    await s.until(lambda: s.app.board.running is not None)
    if name in ("FilmsScreen", "FilmScreen", "WrittenScreen", "LineScreen"):
        s.app.service.actions.films.create(NewFilm("ep01", scenes=(NewScene(job.request, "opening"),)))
    if name == "BrowseScreen":
        # The file field is empty, so nothing is listed above the line that takes the keys.
        s.app.services.drafts.forms.clear()
    for place, key in enumerate(WAYS[name]):
        before = s.app.screen
        if place:
            await s.until(lambda: s.app.screen.focused is not None, "the focus")
            await s.until(lambda: name != "FilmScreen" or s.app.screen.query_one("#film-list").count(), "the films")
            # Lists are filled by a worker.
            await s.until(
                lambda key=key: (
                    key == "enter"
                    or (
                        any(
                            key in keys or active.binding.key == key
                            for keys, active in s.app.screen.active_bindings.items()
                        )
                        and all(getattr(row_list, "count", lambda: 1)() for row_list in s.app.screen.query("RowList"))
                    )
                ),
                key,
            )
        if place == len(WAYS[name]) - 1:
            before_last()
        await s.press(key)
        await s.until(lambda before=before: s.app.screen is not before, f"what {key} opens")
    assert type(s.app.screen).__name__ == name


def test_no_screen_is_forgotten():
    assert {cls.__name__ for cls in SCREENS} == set(WAYS) | set(ELSEWHERE)


def test_what_a_click_does_a_key_does():
    """Whatever answers to the mouse takes the focus, and has keys of its own."""
    clicked = [cls for package in (screens, panels, widgets) for cls in widget_classes(package)
               if any(name.startswith(("on_click", "_on_click", "on_mouse")) for name in vars(cls))]  # fmt: skip
    assert clicked
    for cls in clicked:
        assert cls.can_focus and cls.BINDINGS, cls


@pytest.mark.parametrize("name", WAYS)
async def test_a_screen_is_gone_through_and_left_by_keys(begin, name):
    async with begin((80, 24), gated=True) as s:
        await go(s, name)
        check_keys(s)
        if name != "CommandScreen":
            assert "Esc " in s.footer, s.footer
        await tab_through(s)
        for _ in range(6):
            if isinstance(s.app.screen, HomeScreen):
                break
            await s.press("escape")
        assert isinstance(s.app.screen, HomeScreen), "Esc leads home"


async def tab_through(s) -> None:
    """Tab visits every widget that may have the focus, and each is seen when it has it."""
    screen = s.app.screen
    wanted = {id(widget) for widget in screen.focus_chain}
    visited: set[int] = set()
    for _ in range(3 * len(wanted) + 3):
        focused = screen.focused
        if focused is not None:
            visited.add(id(focused))
            await seen(s, lambda focused=focused: focused.region.overlaps(screen.region))
            check_keys(s)
        if wanted <= visited:
            return
        s.app.post_message(events.Key("tab", None))
        await seen(s, lambda focused=focused: screen.focused is not focused)
        assert s.app.screen is screen
        # What is opened or emptied on the way changes the chain.
        wanted = {id(widget) for widget in screen.focus_chain}
    left = [widget for widget in screen.focus_chain if id(widget) not in visited]
    assert not left, f"Tab never comes to {left}"


def check_keys(s) -> None:
    """Whatever key works here is in the table, except those with which every text is edited and every page scrolled."""
    for active in s.app.screen.active_bindings.values():
        binding = active.binding
        from_textual = type(active.node).__module__.startswith("textual.") or _inherited(active.node, binding)
        assert binding.id in KNOWN or binding.system or from_textual, binding


def _inherited(node, binding) -> bool:
    """Whether a class of Textual that `node` comes from brought the binding along."""
    for cls in type(node).__mro__:
        if cls.__module__.startswith("textual."):
            for brought in vars(cls).get("BINDINGS", ()):
                keys, action = (brought[0], brought[1]) if isinstance(brought, tuple) else (brought.key, brought.action)
                if binding.action == action and binding.key in {key.strip() for key in keys.split(",")}:
                    return True
    return False


async def test_tab_goes_round_at_home(begin):
    async with begin((80, 24), gated=True) as s:
        s.add("runs")
        await s.until(lambda: s.app.board.running is not None)
        await s.until(lambda: len(s.app.screen.focus_chain) > 5, "the panels")
        await tab_through(s)


class LongWords(gettext.NullTranslations):
    """A language whose words are half as long again."""

    def gettext(self, message: str) -> str:
        return " ".join(word if "{" in word else word + "n" * (len(word) // 2) for word in message.split(" "))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.mark.parametrize("name", [name for name in WAYS if name != "CommandScreen"])
async def test_the_footer_fits_in_a_language_of_long_words(begin, name):
    language.use(LongWords())
    try:
        async with begin((80, 24), gated=True) as s:
            await go(s, name)
            await s.until(lambda: "Esc " in s.footer, "the way out in the footer")
            assert len(s.footer.rstrip()) <= 80 and not s.footer.rstrip().endswith("…")
            if not isinstance(s.app.screen, Dialog):
                helps = "? Help" in s.footer or "F1 Help" in s.footer
                assert helps is not (s.app.screen.is_modal or name == "HelpScreen")
    finally:
        language.choose(language.ENGLISH)


async def test_the_question_before_home_is_answered_by_the_keys_in_its_footer(folders, tmp_path):  # noqa: F811
    folders.database.write_bytes(GARBAGE)
    app, executor = app_over(folders, tmp_path)
    language.use(LongWords())
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            s = Session(app, pilot, executor)
            await s.until(lambda: isinstance(app.screen, UnusableScreen), "the question")
            check_keys(s)
            await s.until(lambda: " n " in s.footer and " q " in s.footer, "both answers in the footer")
            assert " r " not in s.footer, "there is no copy to go back to"
            assert len(s.footer.rstrip()) <= 80 and not s.footer.rstrip().endswith("…")
            await s.press("q")
    finally:
        language.choose(language.ENGLISH)
    assert app.return_code == 1

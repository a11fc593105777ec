"""Every screen is reached, gone through and left by keys alone at 80x24, and every key that works is written down."""

from __future__ import annotations

import asyncio
import gettext
import importlib
import inspect
import pkgutil
import shutil
import time

import pytest
from textual import events
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widget import Widget

from pipelines import language
from skyreels_tui import panels, screens, widgets
from skyreels_tui.keys import SCOPES
from skyreels_tui.screens.dialog import Dialog
from skyreels_tui.screens.home import HomeScreen
from tests.ui.conftest import SAMPLES

WAYS: dict[str, tuple[str, ...]] = {
    "FormScreen": ("n",),
    "BrowseScreen": ("n", "ctrl+b"),
    "HistoryScreen": ("n", "f7"),
    "PresetsScreen": ("n", "f8"),
    "SeedsScreen": ("n", "f9"),
    "JobScreen": ("enter",),
    "ResultsScreen": ("R",),
    "RenameScreen": ("R", "r"),
    "ModelsScreen": ("M",),
    "ModelFilesScreen": ("M", "enter"),
    "FolderScreen": ("M", "u"),
    "DoctorScreen": ("D",),
    "SettingsScreen": ("S",),
    "ThemeScreen": ("ctrl+t",),
    "HelpScreen": ("question_mark",),
    "ConfirmScreen": ("x",),
    "LeaveScreen": ("ctrl+q",),
    "CommandPalette": ("ctrl+p",),
}
"""Screen -> the keys that lead there from home, where a job runs and a video is finished."""
ELSEWHERE = {
    "HomeScreen": "where everything starts",
    "Dialog": "the frame of the questions",
    "UnusableScreen": "stands before home when the queue cannot be read: test_unusable",
    "FetchScreen": "asks the hub first: tests/ui/test_models",
}
KNOWN = {f"{scope.name}.{key.action}" for scope in SCOPES for key in scope.keys}


def classes(package) -> list[type[Widget]]:
    """Widgets that the modules of a package define."""
    found = []
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        own = [item for item in vars(module).values() if inspect.isclass(item) and item.__module__ == module.__name__]
        found += [item for item in own if issubclass(item, Widget)]
    return found


@pytest.fixture
def begin(start, tmp_path):
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


async def go(s, name: str) -> None:
    """Press the keys that lead to a screen, each on the screen that the one before has opened."""
    s.add("runs")
    await s.shows("● ")
    if name == "BrowseScreen":
        # The file field is empty, so nothing is listed above the line that takes the keys.
        s.app.drafts.forms.clear()
    for place, key in enumerate(WAYS[name]):
        before = s.app.screen
        if place:
            await s.until(lambda: s.app.screen.focused is not None, "the focus")
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
        await s.press(key)
        await s.until(lambda before=before: s.app.screen is not before, f"what {key} opens")
    assert type(s.app.screen).__name__ == name


def test_no_screen_is_forgotten():
    own = {cls.__name__ for cls in classes(screens) if issubclass(cls, Screen)}
    assert own | {CommandPalette.__name__} == set(WAYS) | set(ELSEWHERE)


def test_what_a_click_does_a_key_does():
    """Whatever answers to the mouse takes the focus, and has keys of its own."""
    clicked = [cls for package in (screens, panels, widgets) for cls in classes(package)
               if any(name.startswith(("on_click", "_on_click", "on_mouse")) for name in vars(cls))]  # fmt: skip
    assert clicked
    for cls in clicked:
        assert cls.can_focus and cls.BINDINGS, cls


@pytest.mark.parametrize("name", WAYS)
async def test_a_screen_is_gone_through_and_left_by_keys(begin, name):
    async with begin((80, 24), gated=True) as s:
        await go(s, name)
        screen = s.app.screen
        check_keys(s)
        if isinstance(screen, Screen) and not isinstance(screen, CommandPalette):
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
        await s.shows("● ")
        await s.until(lambda: len(s.app.screen.focus_chain) > 5, "the panels")
        await tab_through(s)


class LongWords(gettext.NullTranslations):
    """A language whose words are half as long again."""

    def gettext(self, message: str) -> str:
        return " ".join(word if "{" in word else word + "n" * (len(word) // 2) for word in message.split(" "))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.mark.parametrize("name", [name for name in WAYS if name != "CommandPalette"])
async def test_the_footer_fits_in_a_language_of_long_words(begin, name):
    language.use(LongWords())
    try:
        async with begin((80, 24), gated=True) as s:
            await go(s, name)
            await s.until(lambda: "Esc " in s.footer, "the way out in the footer")
            assert len(s.footer.rstrip()) <= 80 and not s.footer.rstrip().endswith("…")
            if not isinstance(s.app.screen, Dialog):
                assert "? Help" in s.footer or s.app.screen.is_modal
    finally:
        language.choose(language.ENGLISH)

"""Sentences that name a key name the one that a person has chosen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import pipelines
from skyreels_tui.files.folders import find_folders
from skyreels_tui.ui.keys import SCOPES, key_of
from tests.ui.conftest import Start

CATALOGUE = Path(str(pipelines.__file__)).parent / "front/locale/pt_BR/LC_MESSAGES/skyreels-tui.po"
ELSEWHERE = ("ui/keys.py", "app/session.py", "commands/", "pipelines/", "ui/panels/", "dialogs/", "panels/__init__")
"""The table of keys itself, and what no `[keys]` changes: Ctrl+C of a shell."""
NAMED = re.compile(
    r"\b(Ctrl\+[A-Z]|Esc|F\d+|Tab|Enter|Space)\b|(?:^|[:;,.] )[a-zA-Z] (?:brings|goes on|undoes|shows|stops)"
)


def test_no_sentence_of_a_screen_has_a_key_written_in_it() -> None:
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file)
    found = {
        text: places
        for message in catalogue
        for text in (message.id if isinstance(message.id, tuple) else (message.id,))
        if (places := [place for place, _ in message.locations if not any(one in place for one in ELSEWHERE)])
        and NAMED.search(text)
    }
    assert not found


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_every_key_is_named_as_it_is_chosen(scope) -> None:
    for key in scope.keys:
        name = f"{scope.name}.{key.name}"
        assert (
            key_of(name, {}) == key.shown or "+" in key.shown or key.shown in ("Space", "Left", "Right", "Up", "Down")
        )
        assert key_of(name, {f"{scope.name}.{key.action}": "f9,x"}) == "F9"


KEYS = """
[keys]
home.undo = "f9"
home.new_job = "f8"
home.delete = "f10"
form.reset = "ctrl+k"
"""


async def test_the_empty_home_and_messages_name_chosen_keys(start: Start, tmp_path: Path) -> None:
    settings = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")}).settings_file
    settings.parent.mkdir(parents=True)
    settings.write_text(KEYS)
    async with start((80, 24), gated=True) as s:
        await s.until(lambda: any(line.strip("│ ").startswith("F8 ") for line in s.text.splitlines()), "the chosen key")
        s.app.service.actions.pause()
        s.add("one")
        await s.shows("one")
        await s.press("f10")
        await s.shows("deleted: F9 brings it back")
        await s.press("x")
        await s.until(lambda: "no job here: F8 makes one" in s.footer)
        await s.press("f8")
        await s.until(lambda: hasattr(s.app.screen, "form_task"))
        await s.press("ctrl+k")
        await s.shows("Form emptied: Ctrl+K brings it back")

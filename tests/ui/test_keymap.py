"""Keys of a person's own: used, shown wherever keys are shown, and refused by name where they clash."""

from __future__ import annotations

import dataclasses
import os

import pytest
from textual.widgets import TextArea

from skyreels_tui.queue.model import JobState
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings
from skyreels_tui.settings.typed import with_text
from skyreels_tui.ui.keyboard import chosen_keys, normal, scopes
from tests.terminal import Terminal


def choose(s, **places: dict[str, str]) -> None:
    settings = s.app.services.settings
    settings.change(dataclasses.replace(settings.now, keys=places))


async def told(s, words: str) -> None:
    await s.tells(words)


async def test_a_chosen_key_works_and_stands_in_footer_help_and_commands(start):
    async with start((160, 45), gated=True) as s:
        s.add("one")
        choose(s, home={"pause": "Z", "new_job": "f12,ctrl+e"})
        await s.shows("Z Pause")
        await s.shows("F12 New")
        await s.press("ctrl+p")
        await s.type("pause")
        await s.shows("Pause (Z)")
        await s.press("escape")
        await s.press("p")
        await s.press("Z")
        await s.until(lambda: s.app.board.status.pause, "pause")
        await s.shows("Z Go on")
        await s.press("ctrl+p")
        await s.type("go on")
        await s.shows("Go on (Z)")
        await s.press("escape", "question_mark")
        await s.shows("F12 Ctrl+E")
        await s.press("escape", "ctrl+e")
        await s.shows("Prompt")


async def test_the_other_of_two_that_share_a_key_keeps_it(start):
    async with start() as s:
        choose(s, home={"resume": "w"})
        job = s.add("one")
        await s.until(lambda: s.state(job.id) is JobState.DONE, "the end")
        await s.press("r")
        await s.until(lambda: len(s.app.service.jobs()) == 2, "a second row")


async def test_what_cannot_be_used_is_said_and_the_default_stays(start):
    async with start(gated=True) as s:
        s.add("one")
        choose(s, home={"pause": "x", "nothing": "y"})
        await told(s, "keys.home.pause: x is taken by home.cancel")
        await told(s, "keys.home.nothing")
        await s.press("p")
        await s.until(lambda: s.app.board.status.pause, "pause")


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"home": {"pause": "j"}}, "list.cursor_1"),
        ({"home": {"pause": "?"}}, "everywhere.help"),
        ({"files": {"browse": "ctrl+s"}}, "form.submit"),
        ({"everywhere": {"help": "R"}}, "home.results"),
        ({"home": {"pause": "nokey"}}, "is no key"),
        ({"home": {"pause": ""}}, "is no key"),
        ({"form": {"submit": "s"}}, "could not be typed"),
        ({"nowhere": {"pause": "w"}}, "no such key"),
    ],
)
def test_conflicts_are_named(wanted, problem):
    chosen, problems = chosen_keys(wanted)
    assert not chosen and len(problems) == 1 and problem in problems[0]


def test_two_may_change_places():
    chosen, problems = chosen_keys({"home": {"pause": "x", "cancel": "p"}})
    assert not problems and chosen["home.pause"] == "x" and chosen["home.cancel"] == "p"


def test_every_action_has_a_name_of_its_own_and_no_default_is_the_key_of_a_multiplexer():
    for scope in scopes():
        names = [key.name for key in scope.keys]
        assert len(names) == len(set(names)), scope.name
        assert all(name.replace("_", "").replace("-", "").isalnum() for name in names), names
        used = {name for key in scope.keys for name in key.keys.split(",")}
        assert not used & {"ctrl+a", "ctrl+b"}, scope.name


@pytest.mark.parametrize("scope", scopes(), ids=lambda scope: scope.name)
def test_every_action_can_have_another_key(scope):
    for key in scope.keys:
        chosen, problems = chosen_keys({scope.name: {key.name: "ctrl+f12"}})
        assert not problems and chosen[f"{scope.name}.{key.action}"] == "ctrl+f12"


@pytest.mark.parametrize(
    ("written", "name"),
    [("Ctrl+S", "ctrl+s"), ("?", "question_mark"), ("A", "A"), ("Esc", "escape"), ("F5", "f5"), ("Alt+E", "alt+e")],
)
def test_keys_are_written_as_people_write_them(written, name):
    assert normal(written) == name


def test_both_spellings_of_the_table_are_read(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('[keys]\nhome.pause = "w"\n[keys.form]\nsubmit = "f12"\n')
    assert load(file).settings.keys == {"home": {"pause": "w"}, "form": {"submit": "f12"}}
    file.write_text("[keys]\nhome = 1\n")
    assert load(file).warnings and not load(file).settings.keys
    assert with_text(Settings(), "keys.home.pause", "w").keys == {"home": {"pause": "w"}}
    assert with_text(with_text(Settings(), "keys.home.pause", "w"), "keys.home.pause", "").keys == {}


@pytest.mark.parametrize(
    ("mouse", "tracks", "arrows"), [("yes", True, False), ("no", False, False), ("wheel", False, True)]
)
def test_the_mouse_is_taken_as_the_settings_say(tmp_path, mouse, tracks, arrows):
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text(f'mouse = "{mouse}"\n')
    terminal = Terminal([[]], home=home)
    terminal.wait_for("n New")
    terminal.press("q")
    received = terminal.finish()
    assert (b"\x1b[?1000h" in received, b"\x1b[?1007h" in received) == (tracks, arrows)
    assert received.count(b"\x1b[?1007r") == arrows


@pytest.mark.parametrize(
    ("colours", "wanted", "unwanted"),
    [
        ("truecolor", [b"38;2;"], [b"38;5;"]),
        ("256", [b"38;5;"], [b"38;2;"]),
        ("16", [], [b"38;2;", b"38;5;"]),
        ("none", [], [b"38;2;", b"38;5;", b";31m"]),
    ],
)
def test_as_many_colours_as_the_settings_say(tmp_path, colours, wanted, unwanted):
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text(f'colours = "{colours}"\n')
    terminal = Terminal([[]], home=home, environ={"COLORTERM": ""})
    terminal.wait_for("n New")
    terminal.press("q")
    received = terminal.finish()
    assert all(sequence in received for sequence in wanted)
    assert not any(sequence in received for sequence in unwanted)


@pytest.mark.parametrize(
    ("script", "shown"),
    [('printf "a walk\\nat night" > "$2"', "at night"), ("exit 3", "ended with 3"), (None, "Set VISUAL or EDITOR")],
)
def test_the_prompt_is_written_in_the_person_s_editor(tmp_path, script, shown):
    environ = {"EDITOR": "", "VISUAL": ""}
    if script is not None:
        editor = tmp_path / "my editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        # Named without its folder, whose length says where a line of a message breaks.
        environ |= {"VISUAL": f"'{editor.name}' --wait", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    terminal = Terminal([[]], home=tmp_path / "home", environ=environ)
    try:
        terminal.wait_for("n New")
        terminal.press("n")
        terminal.wait_for("Prompt")
        terminal.press("\t")
        terminal.wait_for("Alt+E Editor")
        terminal.press("\x1be")
        terminal.wait_for(shown)
    finally:
        terminal.close()


async def test_a_browser_has_no_editor(start, monkeypatch):
    monkeypatch.setenv("EDITOR", "true")
    async with start() as s:
        await s.press("n")
        await s.until(lambda: s.app.screen.query(TextArea), "the form")
        s.app.screen.query_one(TextArea).focus()
        await s.press("alt+e")
        await told(s, "no terminal here for an editor")

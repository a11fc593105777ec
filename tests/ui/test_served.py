"""The app as a browser shows it: what would run programs on this machine is shown and stays as it is."""

from __future__ import annotations

import dataclasses

import pytest

from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.served import COMMANDS
from skyreels_tui.settings.settings import Settings, SettingsError
from skyreels_tui.ui.widgets.fields.base import Field

MINE = Settings(hook="say done")


@pytest.fixture
def file(tmp_path):
    """The settings file that the app follows, with a hook in it."""
    path = tmp_path / "home" / "config" / "settings.toml"
    change_file(path, Settings(), MINE)
    return path


@pytest.mark.parametrize("served", [True, False])
async def test_commands_are_shown_and_only_the_machine_s_own_terminal_changes_them(start, file, served):
    async with start(served=served, settings=MINE, size=(120, 60)) as s:
        await s.press("S")
        await s.shows("say done")
        fields = {name: s.app.screen.query_one(f"#field-{name}", Field) for name in COMMANDS}
        assert [field.disabled for field in fields.values()] == [served] * len(COMMANDS)
        assert s.words.count("cannot be changed in a browser") == served * len(COMMANDS)
        hook = fields["hook"].query("Input").first()
        hook.focus()
        await s.pilot.pause()
        assert (s.app.focused is hook) is not served
        await s.press("x", "ctrl+s")
        await s.until(lambda: served or load(file).settings.hook != "say done", "the file")
        await s.pilot.pause()
    assert (load(file).settings.hook == "say done") is served


@pytest.mark.parametrize("changed", [{"hook": "x"}, {"webhook": "http://x"}, {"inbox": "/"}, {"models": {"r2v": "/"}}])
async def test_no_screen_saves_them(start, file, changed):
    async with start(served=True, settings=MINE) as s:
        before = file.read_bytes()
        with pytest.raises(SettingsError):
            s.app.services.settings.change(dataclasses.replace(MINE, **changed))
        assert s.app.services.settings.now == MINE and file.read_bytes() == before
        s.app.services.settings.change(dataclasses.replace(MINE, bell=False))
        assert load(file).settings == dataclasses.replace(MINE, bell=False)

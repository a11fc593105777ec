"""The app as a browser shows it: what would run programs on this machine is shown and stays as it is."""

from __future__ import annotations

import dataclasses

import pytest

from skyreels_tui.settings.served import COMMANDS
from skyreels_tui.settings.settings import Settings, SettingsError, load
from skyreels_tui.ui.widgets.fields.base import Field

MINE = Settings(hook="say done")


@pytest.mark.parametrize("served", [True, False])
async def test_commands_are_shown_and_only_the_machine_s_own_terminal_changes_them(start, served):
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
        await s.until(lambda: s.app.services.settings.path.exists() or served, "the file")
    assert load(s.app.services.settings.path).settings.hook == ("" if served else s.app.services.settings.now.hook)
    assert s.app.services.settings.now.hook == "say done" if served else s.app.services.settings.now.hook != "say done"


@pytest.mark.parametrize("changed", [{"hook": "x"}, {"webhook": "http://x"}, {"inbox": "/"}, {"models": {"r2v": "/"}}])
async def test_no_screen_saves_them(start, changed):
    async with start(served=True, settings=MINE) as s:
        with pytest.raises(SettingsError):
            s.app.services.settings.change(dataclasses.replace(MINE, **changed))
        assert s.app.services.settings.now == MINE and not s.app.services.settings.path.exists()
        s.app.services.settings.change(dataclasses.replace(MINE, bell=False))
        assert s.app.services.settings.now.bell is False

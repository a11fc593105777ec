"""Settings are one file that screens, shells and editors write: nobody undoes another, and a running app follows."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest

from skyreels_tui.cli import main
from skyreels_tui.settings.checks import setting_problem
from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import AT_START, Settings, setting_specs
from skyreels_tui.settings.typed import parse_value
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.screens.system.settings import SettingsScreen
from skyreels_tui.ui.settings_watch import SETTINGS_S
from skyreels_tui.ui.widgets.fields.base import Field

OTHER_VALUES = {
    "result_dir": "videos", "inbox": "box", "loras": "styles", "auto_resume": True, "hang_up": "stop", "bell": False,
    "desktop": False,
    "window_title": False, "tab_progress": False, "hook": "true", "webhook": "http://127.0.0.1:9/hook",
    "voice_command": "say {out}", "picture_command": "draw {out}",
    "prompt_endpoint": "http://127.0.0.1:9/v1", "prompt_model": "small", "prompt_key": "env:KEY",
    "preview": "off", "theme": "day", "language": "en", "ascii": True, "memory_floor_gib": 12.5, "rest": "on",
    "rest_above_c": 70, "fast_velocity": 0.05, "fast_psnr": 30.0, "fast_ssim": 0.9, "keep_warm": False,
    "group_by_model": True, "cluster": "local", "hours": "22:00-07:00", "scp_host": "me@spark",
    "colours": "256", "mouse": "wheel",
}  # fmt: skip
"""A value of every setting that is not its default."""
TABLE_VALUES = {
    "models": {"r2v": "/models/r2v"},
    "defaults": {"reference_to_video": {"duration": 3}},
    "keys": {"home": {"pause": "w"}},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of the app that `start` opens, and of the shell."""
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "config" / "settings.toml"


def shell(*words: str, says: str = "") -> int:
    """`skyreels-tui settings set ...`, and what it must have said."""
    with redirect_stderr(StringIO()) as said:
        code = main(["settings", "set", *words])
    assert says in said.getvalue()
    return code


def test_every_setting_is_among_the_examples():
    assert list(OTHER_VALUES) == [name for name, _ in setting_specs()]
    assert not [name for name, value in OTHER_VALUES.items() if setting_problem(name, value)]
    assert all(getattr(Settings(), name) != value for name, value in OTHER_VALUES.items())


@pytest.mark.parametrize("name", [*OTHER_VALUES, *TABLE_VALUES])
def test_a_change_touches_no_other_setting_whoever_wrote_it_meanwhile(file, name):
    mine = LiveSettings(file, Settings())
    others = {key: value for key, value in (OTHER_VALUES | TABLE_VALUES).items() if key != name}
    LiveSettings(file, Settings()).change(dataclasses.replace(Settings(), **others))
    value = (OTHER_VALUES | TABLE_VALUES)[name]
    mine.change(dataclasses.replace(mine.now, **{name: value}))
    wanted = Settings(**OTHER_VALUES, **TABLE_VALUES)
    assert load(file).settings == mine.now == wanted
    # And back again: what is taken away is gone, what others wrote is not.
    mine.change(dataclasses.replace(mine.now, **{name: getattr(Settings(), name)}))
    assert load(file).settings == dataclasses.replace(wanted, **{name: getattr(Settings(), name)})


@pytest.mark.parametrize("table", [("models", "r2v", "v2v"), ("defaults", "reference_to_video", "talking_avatar")])
def test_entries_of_a_table_are_as_independent_as_settings(file, table):
    name, one, other = table
    value = {"models": "/folder", "defaults": {"seed": 7}}[name]
    mine, theirs = LiveSettings(file, Settings()), LiveSettings(file, Settings())
    theirs.change(dataclasses.replace(Settings(), **{name: {other: value}}))
    mine.change(dataclasses.replace(Settings(), **{name: {one: value}}))
    assert getattr(load(file).settings, name) == {one: value, other: value}
    theirs.change(dataclasses.replace(theirs.now, **{name: {}}))
    assert getattr(load(file).settings, name) == {one: value}


def test_comments_order_unknown_and_unusable_values_stay(file):
    file.parent.mkdir(parents=True)
    text = (
        '# mine\nunheard_of = 1\ntheme = "dusk"  # not one of them\nbell = "loud"\n\n[models]  # big disk\nr2v = "/a"\n'
    )
    file.write_text(text)
    loaded = load(file)
    assert len(loaded.warnings) == 3 and loaded.settings == Settings(models={"r2v": "/a"})
    live = LiveSettings(file, loaded.settings, loaded.warnings)
    live.change(dataclasses.replace(live.now, keep_warm=False))
    assert file.read_text() == text.replace("\n\n[models]", "\nkeep_warm = false\n\n[models]")
    live.change(dataclasses.replace(live.now, bell=False))
    assert "bell = false" in file.read_text() and load(file).settings.bell is False


def test_many_writers_at_once_lose_nothing(file):
    names = ("ascii", "bell", "desktop", "keep_warm", "auto_resume", "group_by_model")
    trouble: list[Exception] = []

    def flip(name: str) -> None:
        live = LiveSettings(file, Settings())
        try:
            for _ in range(15):
                live.change(dataclasses.replace(live.now, **{name: not getattr(live.now, name)}))
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=flip, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert [getattr(load(file).settings, name) for name in names] == [not getattr(Settings(), name) for name in names]


async def _save_on_the_settings_screen(s) -> None:
    await s.press("S")
    await s.until(lambda: isinstance(s.app.screen, SettingsScreen) and s.app.screen.query("#field-ascii"))
    s.app.screen.query_one("#field-keep_warm").set_value(False)
    await s.press("ctrl+s")
    await s.until(lambda: isinstance(s.app.screen, HomeScreen))


async def _choose_a_theme(s) -> None:
    await s.press("ctrl+t")
    await s.shows("High contrast")
    await s.press("j", "enter")
    await s.until(lambda: isinstance(s.app.screen, HomeScreen))


ON_SCREENS = {"settings": (_save_on_the_settings_screen, "keep_warm"), "themes": (_choose_a_theme, "theme")}


@pytest.mark.parametrize("screen", ON_SCREENS)
async def test_a_setting_changed_in_the_shell_survives_the_next_change_on_a_screen(start, file, tmp_path, screen):
    change, name = ON_SCREENS[screen]
    async with start() as s:
        assert shell("webhook", "http://127.0.0.1:9/hook") == shell("hang_up", "finish_queue") == 0
        assert shell("models.r2v", str(tmp_path)) == 0
        await change(s)
    settings = load(file).settings
    assert (settings.webhook, settings.hang_up) == ("http://127.0.0.1:9/hook", "finish_queue")
    assert settings.models == {"r2v": str(tmp_path)}
    assert getattr(settings, name) != getattr(Settings(), name)
    # The reverse: what the screen wrote survives the next change in the shell.
    assert shell("bell", "no") == 0
    assert load(file).settings == dataclasses.replace(settings, bell=False)


async def test_a_screen_that_is_open_meanwhile_takes_over_what_it_does_not_change(start, file):
    async with start() as s:
        await s.press("S")
        await s.until(lambda: isinstance(s.app.screen, SettingsScreen) and s.app.screen.query("#field-theme"))
        s.app.screen.query_one("#field-keep_warm").set_value(False)
        assert shell("theme", "day") == shell("memory_floor_gib", "3") == 0
        field = s.app.screen.query_one("#field-theme", Field)
        await s.until(lambda: field.value == "day", "the field to show the other window's change")
        assert s.app.screen.query_one("#field-keep_warm", Field).value is False, "what was typed here stays"
        await s.press("ctrl+s")
        await s.until(lambda: isinstance(s.app.screen, HomeScreen))
    assert load(file).settings == Settings(theme="day", memory_floor_gib=3.0, keep_warm=False)


APPLIED = {
    "theme": lambda app: app.theme == "day",
    "ascii": lambda app: app.glyphs.sparks.isascii(),
    "preview": lambda app: app.looks.drawing == "off",
    "hang_up": lambda app: app.service.options.on_hang_up == "stop",
    "hours": lambda app: str(app.service.options.hours) == "22:00-07:00",
}


@pytest.mark.parametrize("name", OTHER_VALUES)
async def test_a_change_from_the_shell_reaches_a_running_app_or_it_says_when(start, file, name):
    assert SETTINGS_S <= 2
    text = {True: "yes", False: "no"}.get(OTHER_VALUES[name], str(OTHER_VALUES[name]))  # type: ignore[call-overload]
    async with start((120, 40)) as s:
        assert shell(name, text) == 0
        await s.until(lambda: getattr(s.app.services.settings.now, name) == OTHER_VALUES[name])
        await s.until(lambda: APPLIED.get(name, lambda _: True)(s.app), f"{name} to apply")
        words = "takes effect at the next start"
        if name in AT_START:
            await s.shows(words)
            await s.shows(name)
        else:
            assert words not in s.words


async def test_a_file_edited_badly_by_hand_is_said_and_left_alone(start, file):
    async with start((120, 40)) as s:
        file.write_text('theme = "dusk"\nbell = false\n')
        await s.until(lambda: not s.app.services.settings.now.bell, "the rest of the file")
        await s.shows("'dusk' is not offered")
        file.write_text("bell = [")
        # One word each: a long path breaks the sentence anywhere.
        await s.shows("readable")
        assert not s.app.services.settings.now.bell, "what was in force stays so"
        await s.press("ctrl+t")
        await s.shows("High contrast")
        await s.press("j", "enter")
        await s.shows("mend")
    assert file.read_text() == "bell = ["


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_the_shell_refuses_what_a_setting_cannot_be(file, name):
    spec = dict(setting_specs())[name]
    bad = "\ud800" if isinstance(parse_value(spec, "x"), str) and not setting_problem(name, "x") else "x"
    assert shell(name, bad, says=f"{name}: ") == 2
    assert not file.exists()


def test_a_holder_of_the_lock_that_does_not_let_go_is_named(file, monkeypatch):
    import fcntl

    from skyreels_tui.settings import file as module

    monkeypatch.setattr(module, "LOCK_S", 0.05)
    file.parent.mkdir(parents=True)
    with (file.parent / module.LOCK_FILE).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(module.SettingsError, match="another program holds"):
            change_file(file, Settings(), Settings(bell=False))
    assert not file.exists()


@pytest.mark.parametrize(
    ("hook", "webhook", "says"),
    [
        ("sh -c 'echo $SKYREELS_TITLE > told'", "", "The test arrived"),
        ("sh -c 'exit 3'", "", "ended with 3"),
        ("no-such-program", "", "did not run"),
        ("", "http://127.0.0.1:9/nobody", "The test failed"),
        ("", "", "no hook and no webhook"),
    ],
)
async def test_hook_and_webhook_are_tried_as_they_are_typed(start, file, tmp_path, hook, webhook, says):
    async with start() as s:
        await s.press("S")
        await s.until(lambda: isinstance(s.app.screen, SettingsScreen) and s.app.screen.query("#field-webhook"))
        s.app.screen.query_one("#field-hook", Field).set_value(hook)
        s.app.screen.query_one("#field-webhook", Field).set_value(webhook)
        await s.press("f5")
        await s.tells(says)
    assert (tmp_path / "told").exists() == ("told" in hook)

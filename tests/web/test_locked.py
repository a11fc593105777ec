"""What a browser may not change, whatever screen it is changed on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from skyreels_tui.settings.served import COMMANDS, FOLDERS, check, why_locked
from skyreels_tui.settings.settings import Settings, SettingsError, setting_specs


def test_every_setting_that_runs_or_reaches_something_is_locked() -> None:
    """A new setting with a command or a folder must be placed."""
    words = {name: f"{name} {spec.label} {spec.help}".lower() for name, spec in setting_specs()}
    reaches = {name for name, text in words.items() if "command" in text or "http" in text or "host:port" in text}
    # Which model is asked, and with which key, is part of where a prompt goes.
    assert reaches | {"prompt_model", "prompt_key"} == set(COMMANDS)
    assert {name for name, text in words.items() if "folder" in text} == set(FOLDERS)
    assert all(why_locked(name) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("old", "new"), [("", "touch /tmp/x"), ("mine", ""), ("mine", "mine; theirs"), ("", " ")])
def test_no_command_changes(tmp_path: Path, name: str, old: str, new: str) -> None:
    before = dataclasses.replace(Settings(), **{name: old})
    with pytest.raises(SettingsError, match=name):
        check(before, dataclasses.replace(before, **{name: new}), tmp_path)
    check(before, dataclasses.replace(before, bell=False), tmp_path)


OUTSIDE = ("/", "/etc", "/tmp", "{home}/..", "{home}/../x", "{home}/link", "{home}/link/x", "~root", "../..", "{home}x")


@pytest.mark.parametrize("folder", OUTSIDE)
@pytest.mark.parametrize("name", FOLDERS)
def test_no_folder_outside_the_home_is_chosen(tmp_path: Path, name: str, folder: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to("/var")
    after = dataclasses.replace(Settings(), **{name: folder.format(home=home)})
    with pytest.raises(SettingsError, match=name):
        check(Settings(), after, home)
    check(after, dataclasses.replace(after, bell=False), home)


@pytest.mark.parametrize("folder", OUTSIDE)
def test_no_models_outside_the_home_are_chosen(tmp_path: Path, folder: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to("/var")
    with pytest.raises(SettingsError, match=r"models\.r2v"):
        check(Settings(), dataclasses.replace(Settings(), models={"r2v": folder.format(home=home)}), home)


def test_folders_in_the_home_are_chosen(tmp_path: Path) -> None:
    after = dataclasses.replace(
        Settings(), inbox=f"{tmp_path}/in", result_dir=f"{tmp_path}/a/../b", models={"r2v": f"{tmp_path}/m"}
    )
    check(Settings(), after, tmp_path)
    check(after, Settings(inbox="", result_dir=after.result_dir), tmp_path)

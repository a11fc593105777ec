"""A path that cannot be looked at ends no thread and no screen: it is not there, and what can be said of it is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from pipelines.checkpoints.inventory import Presence, inspect
from pipelines.checkpoints.locate import snapshots
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.shelf import removable, remove_unfinished, shelf
from pipelines.checkpoints.usable import why_unusable
from pipelines.front.places import is_file, is_folder, is_taken, is_there, nearest_existing, num_bytes, real
from skyreels_tui.doctor.gather import _disk
from skyreels_tui.files.folders import Folders, FolderUnusable, find_folders
from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.queue.engine.limits.space import Need, free_bytes, shortage
from skyreels_tui.queue.engine.log import LogFollower
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.results import gallery
from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.served import _inside
from skyreels_tui.settings.settings import Settings, SettingsError
from skyreels_tui.ui.screens.form.browse import _entries, _start_folder
from skyreels_tui.ui.screens.models.folder import folder_problem

NOBODY = 65534


def too_long(folder: Path) -> Path:
    return folder / ("x" * 300) / "below"


def in_a_circle(folder: Path) -> Path:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return folder / "a" / "below"


def circle_itself(folder: Path) -> Path:
    return in_a_circle(folder).parent


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("mine")
    return folder / "file" / "below" / "further"


def a_link_to_nowhere(folder: Path) -> Path:
    (folder / "link").symlink_to("/nowhere/at/all")
    return folder / "link" / "below"


def shut(folder: Path) -> Path:
    (folder / "shut" / "inner").mkdir(parents=True)
    (folder / "shut").chmod(0o000)
    return folder / "shut" / "inner" / "below"


def shut_itself(folder: Path) -> Path:
    return shut(folder).parents[1]


SICK = [too_long, in_a_circle, circle_itself, below_a_file, a_link_to_nowhere, shut, shut_itself]


@contextmanager
def as_somebody() -> Iterator[None]:
    """The administrator may enter every folder: be somebody else for a while."""
    if os.geteuid():
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture(params=SICK, ids=lambda sick: sick.__name__)
def sick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A path of a person that the system refuses to look at."""
    needs_rights = request.param in (shut, shut_itself)
    path = request.param(tmp_path)
    for above in (tmp_path, *tmp_path.parents) if needs_rights and not os.geteuid() else ():
        if above.stat().st_mode & 0o777 == 0o700 and above.is_relative_to("/tmp"):
            above.chmod(0o711)
    with as_somebody() if needs_rights else nullcontext():
        yield path
    if needs_rights:
        (tmp_path / "shut").chmod(0o700)


def test_every_question_has_an_answer(sick: Path) -> None:
    assert not is_there(sick / "more") and not is_file(sick) and not is_folder(sick / "more")
    assert num_bytes(sick / "more") == 0
    assert is_there(nearest_existing(sick / "more")) and sick.is_relative_to(nearest_existing(sick / "more"))
    assert real(sick).is_absolute() and is_taken(sick) in (True, False)


def a_checkpoint(sick: Path) -> object:
    [part] = inspect(sick, CHECKPOINTS["r2v"].components[:1])
    assert part.presence is Presence.MISSING
    [found] = [one for one in shelf({"r2v": str(sick)}, cache=sick) if one.checkpoint.family == "r2v"]
    assert found.presence is Presence.MISSING
    assert snapshots("a/b", sick) == [] and removable(CHECKPOINTS["r2v"], sick) == ()
    assert remove_unfinished(CHECKPOINTS["r2v"], sick) == 0
    assert why_unusable("r2v", str(sick), "reference_to_video")
    return folder_problem(str(sick), CHECKPOINTS["r2v"])


def a_log(sick: Path) -> object:
    assert LogFollower(sick, 100).new_lines() == []
    return OwnerLock(sick).living_owner_pid() is None


def room(sick: Path) -> object:
    assert shortage([Need(sick, 1)]) is None
    return free_bytes(sick) and _disk("results", sick).free_bytes


def the_disk_panel(sick: Path) -> object:
    found = DiskSensor({"results": sick, "cache": sick}, sick, lambda: {"r2v": sick}).read()
    return [one.roles for one in found.file_systems] == [("results", "cache")]


def videos(sick: Path) -> object:
    return gallery.videos(sick) == []


def a_picker(sick: Path) -> object:
    _start_folder(str(sick))
    return _entries(sick, "image", True, "") == []


def settings(sick: Path) -> object:
    load(sick)
    with pytest.raises(SettingsError, match=str(sick)[:40]):
        change_file(sick / "more", Settings(), Settings(bell=False))
    return not _inside(str(sick), Path("/home/of/nobody"))


def folders(sick: Path) -> object:
    found: Folders = find_folders({"SKYREELS_TUI_HOME": str(sick / "more")})
    with pytest.raises(FolderUnusable, match="SKYREELS_TUI_HOME"):
        found.create()
    return True


ASKED = [a_checkpoint, a_log, room, the_disk_panel, videos, a_picker, settings, folders]


@pytest.mark.parametrize("ask", ASKED, ids=lambda ask: ask.__name__)
def test_it_ends_nobody_who_asks(sick: Path, ask: Callable[[Path], object]) -> None:
    assert ask(sick)

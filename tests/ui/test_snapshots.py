"""Every scene looks as it is stored where there is least room; the first of each screen also wide and in Portuguese.

A question has the same box in every size: it is not looked at in the wide one.

Other palettes change colours alone: test_themes reads those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.front import language
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from tests.models_hub.conftest import FakeHub, hub  # noqa: F401 - hub is a fixture
from tests.ui.classes import SCREENS
from tests.ui.scenes import SCENES, Scene, fill_hub, make_files, open_app, quiet, still
from tests.ui.snapshots import FOLDER, difference, render

SMALL, WIDE = (80, 24), (160, 45)
THEME = "night"
FIRST = {(scene.shows, scene.empty): scene for scene in reversed(SCENES)}.values()
QUESTIONS = {cls.__name__ for cls in SCREENS if issubclass(cls, Dialog)}
LOOKS = (
    *((scene, language.ENGLISH, SMALL) for scene in SCENES),
    *((scene, language.ENGLISH, WIDE) for scene in SCENES if scene in FIRST and scene.shows not in QUESTIONS),
    *((scene, "pt_BR", SMALL) for scene in SCENES if scene in FIRST),
)
"""Scene, language and size."""


@pytest.fixture
def speak() -> Iterator[Callable[[str], None]]:
    yield language.choose
    language.choose(language.ENGLISH)


def stored_name(scene: Scene, spoken: str, size: tuple[int, int]) -> str:
    folder = THEME if spoken == language.ENGLISH else spoken
    return f"{folder}/{scene.name}-{size[0]}x{size[1]}"


@pytest.mark.parametrize(
    ("scene", "spoken", "size"),
    LOOKS,
    ids=[f"{scene.name}-{spoken}-{size[0]}x{size[1]}" for scene, spoken, size in LOOKS],
)
async def test_a_screen_looks_as_stored(
    scene: Scene,
    size: tuple[int, int],
    spoken: str,
    speak: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    make_files(tmp_path)
    fill_hub(hub)
    still(monkeypatch, tmp_path)
    speak(spoken)
    async with open_app(tmp_path, size, theme=THEME, empty=scene.empty) as session:
        await scene.open(session)
        await quiet(session)
        assert type(session.app.screen).__name__ == scene.shows
        differs = difference(stored_name(scene, spoken, size), render(session.app))
    assert not differs, differs


def test_every_screen_has_a_scene() -> None:
    assert {scene.shows for scene in SCENES} == {cls.__name__ for cls in SCREENS}


def test_every_stored_picture_belongs_to_a_screen() -> None:
    known = {stored_name(scene, spoken, size) for scene, spoken, size in LOOKS}
    stored = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt")}
    assert stored <= known

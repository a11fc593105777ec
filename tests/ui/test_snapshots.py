"""Every scene looks as it is stored where there is least room; the first of each screen also wide and in Portuguese.

A question has the same box in every size: it is not looked at in the wide one.

Other palettes change colours alone: test_themes reads those.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
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
Look = tuple[Scene, str, tuple[int, int]]
"""Scene, language and size."""
LOOKS: tuple[Look, ...] = (
    *((scene, language.ENGLISH, SMALL) for scene in SCENES),
    *((scene, language.ENGLISH, WIDE) for scene in SCENES if scene in FIRST and scene.shows not in QUESTIONS),
    *((scene, "pt_BR", SMALL) for scene in SCENES if scene in FIRST),
)
HOME = SCENES[0]
EACH_SCREEN = tuple(
    look for look in LOOKS if look[0] is HOME or (look[0] in FIRST and look[1:] == (language.ENGLISH, SMALL))
)
MORE = tuple(look for look in LOOKS if look not in EACH_SCREEN)


@pytest.fixture
def speak() -> Iterator[Callable[[str], None]]:
    yield language.choose
    language.choose(language.ENGLISH)


def stored_name(scene: Scene, spoken: str, size: tuple[int, int]) -> str:
    folder = THEME if spoken == language.ENGLISH else spoken
    return f"{folder}/{scene.name}-{size[0]}x{size[1]}"


@pytest.fixture
def compare(
    speak: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> Callable[[Scene, str, tuple[int, int]], Awaitable[None]]:
    """Open a scene and hold it against what is stored."""
    make_files(tmp_path)
    fill_hub(hub)
    still(monkeypatch, tmp_path)

    async def look(scene: Scene, spoken: str, size: tuple[int, int]) -> None:
        speak(spoken)
        async with open_app(tmp_path, size, theme=THEME, empty=scene.empty) as session:
            await scene.open(session)
            await quiet(session)
            assert type(session.app.screen).__name__ == scene.shows
            differs = difference(stored_name(scene, spoken, size), render(session.app))
        assert not differs, differs

    return look


def looks(some: Iterable[Look]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("scene", "spoken", "size"),
        some,
        ids=[f"{scene.name}-{spoken}-{size[0]}x{size[1]}" for scene, spoken, size in some],
    )


@looks(EACH_SCREEN)
async def test_a_screen_looks_as_stored(compare, scene: Scene, spoken: str, size: tuple[int, int]) -> None:
    await compare(scene, spoken, size)


@looks(MORE)
async def test_another_state_size_or_language_of_a_screen_looks_as_stored(
    compare, scene: Scene, spoken: str, size: tuple[int, int]
) -> None:
    await compare(scene, spoken, size)


def test_every_screen_has_a_scene() -> None:
    assert {scene.shows for scene in SCENES} == {cls.__name__ for cls in SCREENS}


def test_every_stored_picture_belongs_to_a_screen() -> None:
    known = {stored_name(scene, spoken, size) for scene, spoken, size in LOOKS}
    stored = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt")}
    assert stored <= known

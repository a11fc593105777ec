"""Every screen looks as it is stored: two sizes in a dark and a light theme, and in Portuguese."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.front import language
from tests.models_hub.conftest import FakeHub, hub  # noqa: F401 - hub is a fixture
from tests.ui.classes import SCREENS
from tests.ui.scenes import SCENES, Scene, fill_hub, make_files, open_app, quiet, still
from tests.ui.snapshots import FOLDER, difference, render

SIZES = ((80, 24), (160, 45))
THEMES = ("night", "day")
LOOKS = {"en": THEMES, "pt_BR": THEMES[:1]}
"""Language -> the themes it is shown in."""


@pytest.fixture(params=LOOKS)
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    language.choose(request.param)
    yield request.param
    language.choose(language.ENGLISH)


def stored_name(scene: Scene, spoken: str, theme: str, size: tuple[int, int]) -> str:
    folder = theme if spoken == language.ENGLISH else spoken
    return f"{folder}/{scene.name}-{size[0]}x{size[1]}"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_looks_as_stored(
    scene: Scene,
    size: tuple[int, int],
    spoken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    make_files(tmp_path)
    fill_hub(hub)
    still(monkeypatch, tmp_path)
    differences = []
    async with open_app(tmp_path, size, theme=LOOKS[spoken][0], empty=scene.empty) as session:
        await scene.open(session)
        await quiet(session)
        assert type(session.app.screen).__name__ == scene.shows
        for theme in LOOKS[spoken]:
            session.app.use_theme(theme)
            await quiet(session)
            differences.append(difference(stored_name(scene, spoken, theme, size), render(session.app)))
    assert not any(differences), "\n".join(filter(None, differences))


def test_every_screen_has_a_scene() -> None:
    assert {scene.shows for scene in SCENES} == {cls.__name__ for cls in SCREENS}


def test_every_stored_picture_belongs_to_a_screen() -> None:
    known = {
        stored_name(scene, spoken, theme, size)
        for scene in SCENES for spoken, themes in LOOKS.items() for theme in themes for size in SIZES
    }  # fmt: skip
    stored = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt")}
    assert stored <= known

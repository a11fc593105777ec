"""Every screen that shows a time of the day shows that of its place: in another zone it moves, and no length does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipelines.front import language
from tests.models_hub.conftest import FakeHub, hub  # noqa: F401 - hub is a fixture
from tests.ui.scenes import Scene, fill_hub, make_files, open_app, quiet, still
from tests.ui.snapshots import FOLDER
from tests.ui.test_snapshots import FIRST, LOOKS, QUESTIONS, THEME, stored_name

ZONE, EAST = "BBB-8", timedelta(hours=8)
TIME = re.compile(r"(?<![\d:.])\d\d?:\d\d(?::\d\d)?(?![\d:.])")
LENGTHS = {"0:02", "7:30", "9:25", "14:02", "19:00", "19:20", "22:41", "29:50"}
"""What the scenes take, have taken and have left: no clock of a scene says one of these."""
OVER_HOME = {*QUESTIONS, "CommandScreen"}
"""Boxes before a screen that is looked at by itself."""


def stored_times(scene: Scene, size: tuple[int, int]) -> list[str]:
    text = (FOLDER / f"{stored_name(scene, language.ENGLISH, size)}.txt").read_text(encoding="utf-8")
    return TIME.findall("\n".join(text.splitlines()[: size[1]]))


CLOCKS = {
    scene: size
    for scene, spoken, size in LOOKS
    if spoken == language.ENGLISH
    and scene.shows not in OVER_HOME
    # All forms share the line that has a clock.
    and (scene.shows != "FormScreen" or scene in FIRST)
    and set(stored_times(scene, size)) - LENGTHS
}
"""Scene -> the largest size in which it is stored."""


@pytest.fixture(autouse=True)
def zone_of_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    time.tzset()


def test_there_are_such_screens() -> None:
    assert {scene.shows for scene in CLOCKS} >= {"HomeScreen", "FilmScreen", "ResultsScreen"}


@pytest.mark.parametrize("scene", CLOCKS, ids=[scene.name for scene in CLOCKS])
async def test_clocks_move_with_the_zone(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    make_files(tmp_path)
    fill_hub(hub)
    still(monkeypatch, tmp_path, ZONE)
    async with open_app(tmp_path, CLOCKS[scene], theme=THEME, empty=scene.empty) as session:
        await scene.open(session)
        await quiet(session)
        shown = TIME.findall(session.text)
    assert shown == [one if one in LENGTHS else _east(one) for one in stored_times(scene, CLOCKS[scene])]


def _east(clock: str) -> str:
    form = "%H:%M:%S" if clock.count(":") == 2 else "%H:%M"
    return (datetime.strptime(clock, form) + EAST).strftime(form)

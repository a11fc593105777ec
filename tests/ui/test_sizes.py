"""A terminal of any size, also one that shrinks while panels are painted, ends no screen.

With `SKYREELS_TORTURE` every scene goes through a grid of sizes; otherwise one of each screen through the worst.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest
from textual.geometry import Size

from tests.models_hub.conftest import FakeHub, hub  # noqa: F401 - hub is a fixture
from tests.ui.conftest import Session
from tests.ui.scenes import PROGRESS, SCENES, Scene, fill_hub, make_files, open_app, reading, still

EVERY_SIZE = bool(os.environ.get("SKYREELS_TORTURE"))
WORST = ((6, 24), (1, 1), (80, 1), (4, 24), (3, 200))
"""Columns and lines, so ordered that the screen shrinks both ways, and one way while it grows the other.

Four and six columns are all gone when padding, border and scroll bar have theirs: nothing is left for the words.
"""
GRID = tuple(product((*range(1, 13), 20, 40, 80, 120, 500), (100, 24, 5, 3, 2, 1)))
SIZES = (*GRID, *WORST) if EVERY_SIZE else WORST
STARTS = SIZES if EVERY_SIZE else ((1, 1), (3, 200), (500, 100))
FIRST = {(scene.shows, scene.empty): scene for scene in reversed(SCENES)}
WALKED = SCENES if EVERY_SIZE else tuple(reversed(FIRST.values()))


async def resize(session: Session, size: tuple[int, int]) -> None:
    """Change the size while the panels are given something new to paint."""
    app = session.app
    app.publish_sample(reading())
    app.publish_event(PROGRESS)
    await session.pilot.resize_terminal(*size)
    await session.until(lambda: app.screen.size == Size(*size), f"a screen of {size}")


@pytest.mark.parametrize("scene", WALKED, ids=lambda scene: scene.name)
async def test_a_screen_outlives_every_size_and_can_be_used_again(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,  # noqa: F811 - a fixture
) -> None:
    make_files(tmp_path)
    fill_hub(hub)
    still(monkeypatch, tmp_path)
    async with open_app(tmp_path, (160, 45), empty=scene.empty) as session:
        await scene.open(session)
        for size in SIZES:
            await resize(session, size)
            await session.press("down", "tab")
        # The screens below come back in the last of the sizes, which they have not been painted in.
        while len(session.app.screen_stack) > 1:
            await session.app.pop_screen()
            await session.pilot.pause()
            assert len(session.text.splitlines()) == SIZES[-1][1]
        await resize(session, (80, 24))
        await session.shows("Nothing here yet" if scene.empty else "Queue")


@pytest.mark.parametrize("size", STARTS, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_app_starts_in_every_size(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_files(tmp_path)
    still(monkeypatch, tmp_path)
    async with open_app(tmp_path, size) as session:
        await session.press("2", "j", "n")
        await session.until(lambda: len(session.app.screen_stack) > 1, "the form")
        await resize(session, (80, 24))

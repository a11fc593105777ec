"""Where there is nothing to list, the words that say why and what to do are read whole, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.front import language
from skyreels_tui.ui.panels.log import LogPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.form.browse import FileList
from skyreels_tui.ui.screens.form.history import EntryList
from skyreels_tui.ui.screens.form.presets import PresetList
from skyreels_tui.ui.screens.system.help import KeyList
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.video_list import VideoList
from tests.ui.conftest import Session

PLACES: tuple[tuple[type[RowList], tuple[str, ...], str], ...] = (
    (QueuePanel, (), ""),
    (LogPanel, ("7",), ""),
    (VideoList, ("R",), ""),
    (EntryList, ("n", "f7"), ""),
    (PresetList, ("n", "f8"), ""),
    (FileList, ("n", "ctrl+g", "slash"), "zzz"),
    (KeyList, ("question_mark",), "zzz"),
)
"""An empty list, the keys that lead to it in the app of a new user, and the search that finds nothing."""


@pytest.fixture(params=("en", "pt_BR"))
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    language.choose(request.param)
    yield request.param
    language.choose(language.ENGLISH)


def written(session: Session, rows: RowList) -> str:
    """What stands inside the frame of a list, as one line."""
    box = rows.content_region
    lines = [line[box.x : box.right] for line in session.text.splitlines()[box.y : box.bottom]]
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize(("rows", "keys", "search"), PLACES, ids=lambda value: getattr(value, "__name__", ""))
async def test_the_words_of_an_empty_list_are_read_whole(start, spoken, rows, keys, search):
    async with start((80, 24)) as s:
        for key in keys:
            before = s.app.screen, s.app.focused
            await s.press(key)
            await s.until(lambda before=before: (s.app.screen, s.app.focused) != before, f"what {key} opens")
            await s.until(lambda: s.app.focused is not None, "the focus")
        await s.type(search)
        found = s.app.screen.query_one(rows)
        await s.until(lambda: not found.count() and not getattr(found, "looking", False), "an empty list")
        said = " ".join(found.empty(found.content_size.width).plain.split())
        await s.until(lambda: written(s, found) == said, said)

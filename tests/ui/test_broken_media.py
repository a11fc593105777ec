"""Broken files of every kind offered to the real form, one after the other in one app: each refused, nothing queued.

With `SKYREELS_TORTURE` that is all of over 200; otherwise every fifth, or a few: the form's check alone is given all of
them in tests/cli/test_broken_media.py.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable

import pytest
from textual import events
from textual.widgets import Input

from skyreels_tui.ui.screens.form.form import FormScreen
from tests.media.broken import Kind, broken_files
from tests.ui.conftest import ASTRONAUT, Session
from tests.ui.test_form import field, fill, open_form, problem

EACH = {"few": 25, "many": 1 if os.environ.get("SKYREELS_TORTURE") else 5}
"""Name of a run -> every how manieth file it takes."""
LIMIT_S = 5.0
MEMORY_BYTES = 1200 << 20
FORMS: dict[Kind, tuple[str, str]] = {
    "image": ("f2", "ref_imgs"),
    "video": ("f3", "input_video"),
    "audio": ("f5", "input_audio"),
}
"""Key of the form, and the field that takes the file."""


def memory_peaks() -> list[int]:
    """Largest memory so far of this process and of those it started."""
    return [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


async def open_task(s: Session, key: str) -> FormScreen:
    before = s.app.screen
    await s.press(key)
    if key != "f2":
        await s.until(lambda: s.app.screen is not before and isinstance(s.app.screen, FormScreen))
    screen = s.app.screen
    assert isinstance(screen, FormScreen)
    await s.until(lambda: screen._checked is not None, "the first check")
    return screen


async def until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Wait for a condition alone: Pilot's pauses wait for an idle process, up to a second while files are read."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


async def offer(s: Session, screen: FormScreen, name: str, path: str) -> tuple[str, float]:
    """Paste the path into the field and send the form; what stands under the field, and the seconds until it did."""
    line = field(s, name).query(Input).first()
    line.focus()
    await until(lambda: line.has_focus, "the focus")
    s.app.post_message(events.Paste(path))
    await until(lambda: line.value == path, path)
    begun = time.monotonic()
    s.app.simulate_key("ctrl+s")
    await until(lambda: _answered(screen, name, path), path)
    taken = time.monotonic() - begun
    assert s.app.screen is screen, f"{path}: the form stays"
    words = problem(s, name)
    # A long path may stand on the line below the mark.
    await until(lambda: words[:20] in s.words, "the refusal on the screen")
    s.app.simulate_key("ctrl+u")
    await until(lambda: line.value == "", "an empty line")
    screen._asked = False
    s.app.clear_notifications()
    return words, taken


def _answered(screen: FormScreen, name: str, path: str) -> bool:
    check = screen._checked
    return screen._asked and not screen._submitting and check is not None and check.values.get(name) == (path,)


@pytest.mark.parametrize("each", EACH.values(), ids=EACH)
async def test_the_form_refuses_broken_files_in_words_and_in_time(start, tmp_path, each):
    folder = tmp_path / "broken"
    folder.mkdir()
    files = [file for file in broken_files(folder) if file.refused]
    assert len(files) >= 200
    files = files[::each]
    assert {file.kind for file in files} == set(FORMS)
    before = memory_peaks()
    async with start((80, 24)) as s:
        await open_form(s)
        for kind, (key, name) in FORMS.items():
            screen = await open_task(s, key)
            await fill(s, prompt="x", **({"input_image": (str(ASTRONAUT),)} if kind == "audio" else {}))
            for file in (file for file in files if file.kind == kind):
                words, taken = await offer(s, screen, name, str(file.path))
                assert words.startswith("✗ ") and len(words) > 10, f"{file.path.name}: {words!r}"
                assert "Traceback" not in words and words.isprintable(), words
                assert taken < LIMIT_S, f"{file.path.name} took {taken:.1f} s"
        assert not s.app.board.jobs
        assert s.app.service is not None and s.app.service.jobs() == []
    grown = max(high - low for low, high in zip(before, memory_peaks(), strict=True))
    assert grown < MEMORY_BYTES

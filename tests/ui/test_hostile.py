"""Text from outside is shown, never obeyed: as markup, by the terminal, or by the layout."""

from __future__ import annotations

import re

import pytest
from rich.segment import Segment
from textual.color import Color

from pipelines.errors import MediaError
from pipelines.progress import Stage
from skyreels_tui.executors.fake import Script
from skyreels_tui.widgets.safe import ControlFilter, safe

HOSTILE = {
    "markup": "[red]x[/] [bold",
    "tag": "[ZOOM_IN_CUT] [/] ] [",
    "ansi": "a\x1b[31mred\x1b[0m",
    "osc": "a\x1b]0;title\x07b\x1b]52;c;aGk=\x07",
    "c1": "a\x9b31mb\x90c",
    "bidi": "abc\u202edef\u2066ghi",
    "zero width": "a\u200bb\u2060c\ufeffd",
    "nul": "a\x00b\x08c",
    "surrogate": "name\udcff.png",
    "long": "wort " * 900,
    "emoji": "👩‍👩‍👧 🇧🇷 ✓",
}
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_safe_text_holds_nothing_that_steers(text):
    shown = safe(text)
    assert not STEERING.search(shown)
    assert len(shown) <= 3 * 2000
    plain = re.sub("[^a-zA-Z]", "", STEERING.sub("", text))[:50]
    assert re.sub("[^a-zA-Z]", "", shown).startswith(plain[:1])


def test_the_last_gate_drops_what_an_editor_would_draw():
    segments = ControlFilter().apply([Segment("a\x1b[31m\u202eb"), Segment("fine")], Color(0, 0, 0))
    assert [segment.text for segment in segments] == ["a[31mb", "fine"]


@pytest.mark.parametrize("name", ["markup", "tag", "ansi", "osc", "bidi", "zero width", "nul", "long", "emoji"])
async def test_hostile_labels_prompts_and_errors_leave_the_screens_intact(start, name):
    text = HOSTILE[name]
    script = Script(failures={(Stage.DENOISE, 2): MediaError(f"ffmpeg said {text}")})
    async with start((100, 30), script=script) as s:
        s.add(text, prompt=text)
        await s.shows("✗ failed")
        for keys in ((), ("enter",)):
            await s.press(*keys)
            await s.pilot.pause()
            lines = s.text.splitlines()
            assert not STEERING.search(s.text.replace("\n", ""))
            assert len(lines) == 30
        if name in ("markup", "tag"):
            assert text in s.text, "shown literally"
        await s.press("escape", "a")
        await s.shows("References")
        assert not STEERING.search(s.text.replace("\n", ""))


async def test_control_characters_never_enter_a_field_by_pasting(start):
    from textual import events

    from skyreels_tui.widgets.fields.text import PromptArea

    async with start() as s:
        await s.press("n")
        await s.shows("Prompt")
        area = s.app.screen.query_one(PromptArea)
        area.focus()
        s.app.post_message(events.Paste("one\x1b[31m\ttwo\x00\u202e\r\nthree"))
        await s.until(lambda: "three" in area.text)
        assert area.text == "one[31m two\nthree"

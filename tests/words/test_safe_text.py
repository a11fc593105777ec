"""One table says which characters steer a terminal: what is shown, typed or drawn asks it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from rich.segment import Segment
from textual.color import Color

from skyreels_tui.ui.drawing.safe import ControlFilter
from skyreels_tui.ui.widgets.fields.text import without_controls
from skyreels_tui.words.safe_text import safe, steers, without_steering

KNOWN = {
    "escape": "\x1b", "bell": "\x07", "delete": "\x7f", "C1 introducer": "\x9b", "right to left": "\u202e",
    "isolate": "\u2066", "zero width": "\u200b", "line separator": "\u2028", "byte order": "\ufeff",
    "lone surrogate": "\udc9b", "soft hyphen": "\xad", "Arabic mark": "\u061c", "tag letter": "\U000e0041",
    "interlinear": "\ufff9", "Mongolian separator": "\u180e", "musical beam": "\U0001d173",
}  # fmt: skip


def drawn(text: str) -> str:
    """What the last gate before the terminal lets through."""
    [segment] = ControlFilter().apply([Segment(text)], Color(0, 0, 0))
    return segment.text


@pytest.mark.parametrize("char", KNOWN.values(), ids=KNOWN)
def test_no_way_to_the_terminal_carries_it(char: str) -> None:
    text = f"a{char}b"
    assert steers(char)
    assert char not in safe(text)
    assert char not in without_controls(text)
    assert drawn(text) == without_steering(text) == "ab"


def test_all_of_unicode() -> None:
    """Whatever steers is gone everywhere; letters, marks, signs and pictures stay as they are."""
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    steering = "".join(filter(steers, every))
    assert {unicodedata.category(char) for char in steering} == {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert drawn(steering) == without_steering(steering) == ""
    assert set(without_controls(steering)) == set("\n \u200c\u200d")
    assert not any(map(steers, safe(steering, 10**7, newlines=True).replace("\n", "")))
    harmless = "".join(char for char in every if unicodedata.category(char)[0] in "LMNPS")
    assert drawn(harmless) == without_controls(harmless) == safe(harmless, 10**7) == harmless


@pytest.mark.parametrize("text", ["می‌خواهم", "👩‍🚀", "café"], ids=["Persian", "astronaut", "accent"])
def test_words_and_pictures_of_several_signs_can_be_typed(text: str) -> None:
    assert without_controls(text) == text


def test_tabs_and_line_ends_become_what_a_prompt_has() -> None:
    assert without_controls("a\tb\r\nc\rd\ne") == "a b\nc\nd\ne"

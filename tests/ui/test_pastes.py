"""A paste has an end: what is longer is refused in words, costs no memory on the way, and keys go on."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from textual import events

from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.terminal.pastes import FLOOD, MOST_PASTED, BoundedParser, PasteCut
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.fields.path_input import PathInput
from skyreels_tui.ui.widgets.fields.text import LineInput, PromptArea

START, END = "\x1b[200~", "\x1b[201~"
PIECE = 4096
"""What a terminal's reader takes at once."""


def parsed(pieces) -> list[object]:
    parser = BoundedParser()
    return [token for piece in pieces for token in parser.feed(piece)]


@pytest.mark.parametrize("mebibytes", [1, 50])
def test_a_paste_of_any_size_costs_no_more_than_what_may_be_taken(mebibytes):
    def pieces():
        yield "a" + START
        for _ in range(mebibytes * (1 << 20) // PIECE):
            yield "x" * PIECE
        yield END
        yield "b"

    tracemalloc.start()
    try:
        tokens = parsed(pieces())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    key, paste, after = tokens
    assert (key.key, after.key) == ("a", "b")
    assert isinstance(paste, events.Paste) and len(paste.text) == MOST_PASTED + 1, "a field can see that it was longer"
    assert peak < 4 << 20


def test_what_is_short_enough_arrives_however_it_is_cut_into_pieces():
    draw = random.Random(5)
    texts = ["", "x", "a\x1bb[201", "é" * 200, "\x1b[20", "x" * 5, "\x1b[200~ twice"]
    sent = "".join(f"k{START}{text}{END}" for text in texts) + "\x1b[Aend\x1b"
    for _ in range(200):
        cut, passed, place = PasteCut(300), [], 0
        while place < len(sent):
            size = draw.choice((1, 2, 5, 17, 400))
            passed.append(cut(sent[place : place + size]))
            place += size
        assert "".join(passed) == sent
    # The escape key is never held back.
    assert PasteCut()("\x1b") == "\x1b"
    long = PasteCut(3)
    assert "".join(map(long, f"{START}abcdefg{END}k{START}abc{END}")) == f"{START}abcd{END}k{START}abc{END}"


@pytest.mark.parametrize("mebibytes", [1, 20])
def test_a_paste_without_marks_is_text_and_as_bounded(mebibytes):
    """A line break in it is no Enter key, and what is too long costs no memory."""
    line = "rm -rf x\n"

    def pieces():
        yield "a"
        for _ in range(mebibytes * (1 << 20) // PIECE):
            yield (line * PIECE)[:PIECE]
        yield "the end\n"
        yield "b"
        yield "\x1b[A"

    tracemalloc.start()
    try:
        first, *pasted, key, arrow = parsed(pieces())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (first.key, key.key, arrow.key) == ("a", "b", "up")
    assert all(isinstance(one, events.Paste) for one in pasted)
    assert len("".join(one.text for one in pasted)) == MOST_PASTED + 1
    assert peak < 4 << 20


def test_a_short_paste_without_marks_arrives_whole():
    text = "word " * 300
    for cut in (512, 700, 1500):
        pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
        tokens = parsed([*pieces, "\x1b[A"])
        assert "".join(one.text for one in tokens[:-1]) == text
    # What is typed, however fast, are keys.
    assert len(parsed(["x" * (FLOOD - 1)])) == FLOOD - 1
    # A mark that comes in two pieces is a mark.
    (only,) = parsed(["\x1b[20", "0~" + "x" * FLOOD + END])
    assert only.text == "x" * FLOOD


def test_the_drivers_that_open_terminals_use_it():
    from textual.drivers import linux_driver

    HubApp()
    assert linux_driver.XTermParser is BoundedParser


@pytest.mark.parametrize("which", ["prompt", "path", "label", "search"])
async def test_a_field_refuses_what_is_too_long_in_words_and_goes_on(start, which):
    async with start(size=(110, 40)) as s:
        await s.press("n")
        await s.shows("Prompt")
        if which == "search":
            await s.press("escape", "question_mark")
            await s.until(lambda: s.app.screen.query("#help-search"))
            field = s.app.screen.query_one("#help-search")
        elif which == "label":
            field = next(one for one in s.app.screen.query(LineInput) if type(one) is LineInput)
        else:
            field = s.app.screen.query_one(PromptArea if which == "prompt" else PathInput)
            field = field if which == "prompt" else field.query_one(LineInput)
        field.focus()
        for paste in ("x" * (MOST_PASTED + 1), "/a b\n" * (10 << 20)):
            s.app.post_message(events.Paste(paste))
        await s.shows("longer than 65536 characters")
        assert (field.text if which == "prompt" else field.value) == ""
        if which == "path":
            assert s.app.screen.query_one(FilesField).value == ()
        await s.press("z")
        await s.until(lambda: (field.text if which == "prompt" else field.value) == "z")
        if which == "prompt":
            s.app.post_message(events.Paste("y" * (MOST_PASTED - 1)))
            await s.until(lambda: len(field.text) == MOST_PASTED)

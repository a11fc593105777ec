"""What is copied for a shell means the same words to it, and holds nothing that steers a terminal."""

from __future__ import annotations

import os
import subprocess

import pytest

from skyreels_tui.words.shell_words import shell_line, shell_word

WORDS = {
    "plain": "a.png",
    "spaces and quotes": 'it\'s "50 %" $HOME `x` \\ ! #',
    "line break": "one\ntwo",
    "sequences": "a\x1b[31m\x1b]0;t\x07b\x9b1m",
    "bidi": "abc\u202edef\u200b",
    "escapes beside letters": "\x1bee\u200bff\\x41'",
    "not utf-8": os.fsdecode(b"\xff\xfe9.mp4"),
    "emoji": "👩 ✓ é",
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_a_shell_reads_the_same_word(word):
    written = shell_word(word)
    assert written.isprintable()
    printed = subprocess.run(["bash", "-c", f"printf %s {written}"], capture_output=True, check=True).stdout
    assert os.fsdecode(printed) == word


def test_words_are_joined_by_spaces():
    assert shell_line(["a", "b c", "d\x07"]) == "a 'b c' $'d\\x07'"


def test_a_surrogate_that_is_no_byte_does_not_end_the_program():
    assert shell_word("a\ud800") == "$'a\\x3f'"

"""Words for a shell, safe to paste: what cannot be shown is written as an escape; knows nothing of screens."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def shell_word(text: str) -> str:
    """Quote `text` as one word of bash, zsh or any POSIX shell.

    A word with controls, invisible characters or bytes that are not UTF-8 becomes $'…': pasted raw, an escape or a
    line break in it would reach the terminal or end the command.
    """
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def shell_line(words: Iterable[str]) -> str:
    """Join words to a command line that can be pasted."""
    return " ".join(map(shell_word, words))


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char == "\n":
        return "\\n"
    if char.isprintable():
        return char
    # A byte of a file name that is not UTF-8 stays that byte; no other lone surrogate can be written at all.
    how = "surrogateescape" if "\udc80" <= char <= "\udcff" else "replace"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", how))

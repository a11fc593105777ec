"""Makes text from outside harmless to a terminal; imports neither Textual nor anything heavy."""

from __future__ import annotations

import unicodedata

LINE_LIMIT = 2000
"""Characters of one line that are ever shown."""

LONGEST_PATH = 4096
"""Bytes of a path on Linux: one shown whole is no longer."""

STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of what a terminal may obey: controls, bidirectional and zero-width marks, lone surrogates."""
_NEVER_RAW = STEERING | {"Cn", "Co"}
"""And of what has no agreed look: unassigned and private code points."""
_SHORT = {"\t": "    ", "\x1b": "␛", "\x00": "␀", "\r": "␍"}


def safe(text: str, limit: int = LINE_LIMIT, *, newlines: bool = False) -> str:
    """Return `text` with every character that could steer a terminal shown as an escape, cut to `limit`.

    Controls (C0, C1, ESC), bidirectional and zero-width characters, lone surrogates and unassigned code
    points become visible; letters, marks and symbols stay. A line break becomes ⏎ unless `newlines`.
    """
    if newlines:
        return "\n".join(safe(line, limit) for line in text.split("\n"))
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(map(_visible, shown))


def steers(char: str) -> bool:
    """True for a character that a terminal may obey instead of showing it."""
    return unicodedata.category(char) in STEERING


def without_steering(text: str, keep: str = "") -> str:
    """Drop every character that could steer a terminal, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char for char in text if char in keep or not steers(char))


def _visible(char: str) -> str:
    if char == "\n":
        return "⏎"
    if char in _SHORT:
        return _SHORT[char]
    kind = unicodedata.category(char)
    if kind not in _NEVER_RAW:
        # A no-break space is a space; other separators are harmless.
        return " " if kind == "Zs" else char
    if "\udc80" <= char <= "\udcff":
        # A byte of a file name that is not UTF-8, as os.fsdecode keeps it.
        return f"\\x{ord(char) - 0xDC00:02x}"
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

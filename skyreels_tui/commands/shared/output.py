"""The only place of the command line that writes: results to stdout, all else to stderr, nothing unsafe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from pipelines.front.language import tr
from skyreels_tui.words.safe_text import safe

_json_lines = False


def line(text: str = "") -> None:
    """Write one line of a result to stdout."""
    _write(sys.stdout, safe(text))


def data(value: Any) -> None:
    """Write one JSON value to stdout, as ASCII, so that no text in it can reach a terminal raw."""
    _write(sys.stdout, _ascii_json(value, indent=2 if isinstance(value, list | dict) else None))


def path(text: str) -> None:
    """Write a path to stdout: byte for byte for a program that reads it, made safe for a terminal."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        line(text)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(text) + b"\n")
    sys.stdout.buffer.flush()


def speak_json(on: bool) -> None:
    """From here on every line on stderr is a JSON object, or words again: set anew by each call of the program."""
    global _json_lines
    _json_lines = on


def note(text: str, event: str = "note") -> None:
    """Write one line of progress or explanation to stderr; a reader that has gone is no reason to stop."""
    if _json_lines:
        tell({"event": event, "text": text})
        return
    with contextlib.suppress(OSError):
        _write(sys.stderr, safe(text))


def tell(event: dict[str, Any]) -> None:
    """Write one JSON object as a line to stderr."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, _ascii_json(event))


def document(text: str) -> None:
    """Write a file's content to stdout: as it is for a program, line by line and made safe for a terminal."""
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        for one in text.splitlines():
            line(one)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def raw(text: str) -> None:
    """Write text of our own making (a help page, a completion script) to stdout as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Write rows as aligned columns with a head; the last column is never padded."""
    shown = [[safe(cell, 200) for cell in row] for row in (head, *rows)]
    widths = [max(map(_cells, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        padded = [cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)]
        _write(sys.stdout, "  ".join(padded).rstrip())


def confirm(question: str) -> bool:
    """Ask on the terminal; False without one, so that a script never agrees by accident."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(tr("{question} [y/N] ", question=safe(question)))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "s", "sim"}


def close_quietly() -> None:
    """Point stdout away after its reader has gone, so that the interpreter's last flush cannot fail."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives until the process ends


def _ascii_json(value: Any, indent: int | None = None) -> str:
    """JSON in which even DEL is escaped."""
    return json.dumps(value, ensure_ascii=True, indent=indent).replace("\x7f", "\\u007f")


def _cells(text: str) -> int:
    """Terminal cells that `text` takes, near enough for columns."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _write(stream: Any, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()

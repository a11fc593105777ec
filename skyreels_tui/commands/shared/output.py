"""The only place of the command line that writes: results to stdout, all else to stderr, nothing unsafe."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.language import reason_of, tr
from skyreels_tui.words.safe_text import LONGEST_PATH, safe

MOST_LOST = 20
"""Lines that are said again on stderr when stdout does not take them."""


@dataclass
class _Call:
    """What one call of the program does with its output."""

    json_lines: bool = False
    """Every line on stderr is a JSON object."""
    reads: bool = False
    """Its text is all that it is for: without it nothing was done."""
    why_lost: OSError | None = None
    """Why stdout took nothing more."""
    lost: list[str] = field(default_factory=list)


_call = _Call()


def begin(*, json_lines: bool) -> None:
    """Begin a call of the program, with words on stderr or with JSON."""
    global _call
    _call = _Call(json_lines)
    _fill_closed()


def text_is_the_result() -> None:
    """Say that this call changes nothing: what it prints is what was asked for."""
    _call.reads = True


def end(code: int) -> int:
    """Say on stderr what stdout did not take, and return the exit code.

    A command that did something ends with how that went: a script that tries again must not do it twice. Where the
    text is the result, a full disk is a failure; a reader that has gone (a pager, head) is none.
    """
    _flush()
    why = _call.why_lost
    if why is None:
        return code
    gone = isinstance(why, BrokenPipeError)
    if not (_call.reads and gone):
        for text in _call.lost[:MOST_LOST] if not _call.reads else [""]:
            words = tr("stdout cannot be written ({why}): {text}", why=reason_of(why), text=text)
            note(f"skyreels-tui: {words.removesuffix(': ')}", "problem")
    return code or int(_call.reads and not gone)


def line(text: str = "") -> None:
    """Write one line of a result to stdout."""
    _out(_encodable(sys.stdout, safe(text)) + "\n")


def data(value: Any) -> None:
    """Write one JSON value to stdout, as ASCII, so that no text in it can reach a terminal raw."""
    _out(_ascii_json(value, indent=2 if isinstance(value, list | dict) else None) + "\n")


def path(text: str) -> None:
    """Write a path to stdout: byte for byte for a program that reads it, made safe for a terminal."""
    if is_terminal(sys.stdout) or not hasattr(sys.stdout, "buffer"):
        line(text)
    else:
        _out(os.fsencode(text) + b"\n")


def is_terminal(stream: Any) -> bool:
    """Whether a standard stream is there, and a terminal."""
    return stream is not None and bool(stream.isatty())


def note(text: str, event: str = "note") -> None:
    """Write one line of progress or explanation to stderr; a reader that has gone is no reason to stop."""
    if _call.json_lines:
        tell({"event": event, "text": text})
    else:
        _err(safe(text))


def tell(event: dict[str, Any]) -> None:
    """Write one JSON object as a line to stderr."""
    _err(_ascii_json(event))


def document(text: str) -> None:
    """Write a file's content to stdout: as it is for a program, line by line and made safe for a terminal."""
    if is_terminal(sys.stdout) or not hasattr(sys.stdout, "buffer"):
        for one in text.splitlines():
            line(one)
    else:
        _out(text.encode("utf-8", "surrogateescape"))


def raw(text: str) -> None:
    """Write text of our own making (a help page, a completion script) to stdout as it is."""
    _out(text)


def table(rows: Sequence[Sequence[str | Path]], head: Sequence[str]) -> None:
    """Write rows as aligned columns with a head; the last column is never padded, a path never cut."""
    shown = [
        [safe(str(cell), LONGEST_PATH if isinstance(cell, Path) else 200) for cell in row] for row in (head, *rows)
    ]
    widths = [max(map(_cells, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        padded = [cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)]
        _out(_encodable(sys.stdout, "  ".join(padded).rstrip()) + "\n")


def confirm(question: str) -> bool:
    """Ask on the terminal; False without one, so that a script never agrees by accident."""
    if not is_terminal(sys.stdin):
        return False
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(tr("{question} [y/N] ", question=safe(question)))
        sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "s", "sim"}


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


def _encodable(stream: Any, text: str) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _out(content: str | bytes) -> None:
    """Write to stdout; what it does not take is kept to be said at the end."""
    if _call.why_lost is None:
        try:
            _write(sys.stdout, content)
            return
        except OSError as error:
            _call.why_lost = error
            sys.stdout = _nowhere()
    if len(_call.lost) < MOST_LOST:
        text = content if isinstance(content, str) else os.fsdecode(content)
        _call.lost += text.splitlines()[:MOST_LOST]


def _err(text: str) -> None:
    try:
        _write(sys.stderr, _encodable(sys.stderr, text) + "\n")
    except OSError:
        # Nobody is left to be told.
        sys.stderr = _nowhere()


def _write(stream: Any, content: str | bytes) -> None:
    if stream is None or stream.closed:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    stream.flush()
    target = stream.buffer if isinstance(content, bytes) else stream
    target.write(content)
    target.flush()


def _flush() -> None:
    """Leave nothing to the interpreter's last flush, which turns a full disk into an exit code of its own."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except OSError as error:
            if name == "stdout":
                _call.why_lost = _call.why_lost or error
            setattr(sys, name, _nowhere())


def _nowhere() -> Any:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives until the process ends


def _fill_closed() -> None:
    """Put /dev/null where a standard stream was closed, or the next file that is opened takes its number.

    What a library writes to stderr would go into that file: the queue, for one.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)

"""Typed paths: expansion, completion and pasted lists; knows nothing of Textual."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from pipelines.front import lora
from pipelines.front.fields import Files
from pipelines.front.request import Request, field_specs
from pipelines.media.remote.address import is_address
from skyreels_tui.requests.references import token_name

SUFFIXES = {
    "image": frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}),
    "video": frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}),
    "lora": frozenset({".safetensors"}),
    "film": frozenset({".json", ".md", ".markdown"}),
    "audio": frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".mov", ".mkv", ".webm"}),
}
"""What completion and the browser show first; any file may still be typed."""

_AROUND = frozenset({'""', "''", "<>", "()", "[]", "``"})
_OPENING = " \t\"'<([`"

MOST_ENTRIES = 5000
"""Entries of one folder that are looked at: a folder with more must not hold the keys."""


def expand(text: str) -> str:
    """An absolute path from what was typed; references to other jobs and web addresses stay as they are."""
    text = text if _exists(text) else bare(text)
    if not text or token_name(text) is not None or is_address(text):
        return text
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, ValueError):
        # '~name' of nobody, or a NUL: left for the check to refuse in words.
        return text


def bare(text: str) -> str:
    """What was meant: no spaces around it, no quotes or brackets around an address, a path for a file:// address."""
    text = text.strip()
    inner = text[1:-1].strip()
    if text[:1] + text[-1:] in _AROUND and (is_address(inner) or _is_local(inner)):
        text = inner
    return _local(text)


def split_list(text: str, exists: Callable[[str], bool] | None = None) -> list[str]:
    """Split 'a.png,b.png' at its commas, except those inside a path that exists, longest first, or inside an address.

    After an address a comma ends it only where another entry begins: an address, a reference, or a path that
    exists or says where it starts.
    """
    exists = exists or (lambda piece: _exists(piece) or _exists(piece.strip()))
    pieces = text.split(",")
    paths: list[str] = []
    start = 0
    while start < len(pieces):
        end = next(
            (end for end in range(len(pieces), start, -1) if exists(",".join(pieces[start:end]))), None
        ) or _end_of_entry(pieces, start, exists)  # fmt: skip
        paths.append(",".join(pieces[start:end]))
        start = end
    return [path for path in paths if path.strip()]


def _end_of_entry(pieces: list[str], start: int, exists: Callable[[str], bool]) -> int:
    end = start + 1
    if is_address(pieces[start].lstrip(_OPENING)) or _is_local(pieces[start].strip(_OPENING)):
        while end < len(pieces) and not _begins(pieces[end], exists):
            end += 1
    return end


def _begins(piece: str, exists: Callable[[str], bool]) -> bool:
    text = piece.strip()
    opened = text.lstrip(_OPENING)
    return (
        is_address(opened) or _is_local(opened) or text.startswith(("/", "~", "./", "../", "{{")) or exists(text)
    )  # fmt: skip


def address_fields(request: Request) -> dict[str, Literal["image", "video", "audio"]]:
    """Input fields that hold a web address which has not been fetched, each with its kind of media."""
    return {
        name: spec.media
        for name, spec in field_specs(type(request))
        if isinstance(spec, Files)
        and spec.media != "lora"
        and isinstance(getattr(request, name), tuple)
        and any(isinstance(entry, str) and is_address(entry) for entry in getattr(request, name))
    }


def is_media(name: str, media: str) -> bool:
    """Whether a file name has an ending of that kind of media."""
    return Path(name).suffix.lower() in SUFFIXES[media]


def names_file(text: str) -> bool:
    """Whether a typed path names a file that is there."""
    try:
        return bool(text.strip()) and Path(lora.file_of(expand(text))).is_file()
    except (OSError, ValueError):
        return False


def complete(text: str, media: str) -> list[str]:
    """Paths that go on from `text`, folders with a slash, at most `MOST_ENTRIES` looked at; folders last."""
    folder, _, start = text.rpartition("/")
    folder = folder + "/" if "/" in text else ""
    if text == "~":
        return ["~/"]
    base = Path(folder or ".").expanduser()
    found: list[tuple[bool, str]] = []
    try:
        with os.scandir(base) as entries:
            for seen, entry in enumerate(entries):
                if seen >= MOST_ENTRIES:
                    break
                if not entry.name.startswith(start) or (entry.name.startswith(".") and not start.startswith(".")):
                    continue
                if entry.is_dir():
                    found.append((True, f"{folder}{entry.name}/"))
                elif is_media(entry.name, media):
                    found.append((False, folder + entry.name))
    except (OSError, RuntimeError, ValueError):
        return []
    return [path for _, path in sorted(found)]


def common_start(paths: list[str]) -> str:
    """The longest text that all completions begin with."""
    start = min(paths, default="")
    while not all(path.startswith(start) for path in paths):
        start = start[:-1]
    return start


def split_pasted(text: str) -> list[str]:
    """Paths of a paste: one a line, or several on a line as a file manager or a shell quotes them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return [_one(line) for line in lines]
    line = lines[0]
    if all(map(is_address, line.split())):
        # A quote inside an address is none of a shell.
        return line.split()
    words = _shell_words(line)
    several = len(words) > 1 and all("/" in word or _exists(word) for word in words)
    return [_one(line)] if _exists(line) or not several else [_local(word) for word in words]


def _one(line: str) -> str:
    """One path, without the quotes or backslashes that a shell would need."""
    if _exists(line) or is_address(bare(line)):
        return line if _exists(line) else bare(line)
    words = _shell_words(line)
    return _local(words[0] if len(words) == 1 else line)


def _shell_words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return [line]


def _local(text: str) -> str:
    """The path of a file:// address, which file managers copy; anything else as it is."""
    if not _is_local(text):
        return text
    rest = text[len("file:") :]
    host, slash, path = rest[2:].partition("/") if rest.startswith("//") else ("", "/", rest[1:])
    if host.lower() not in ("", "localhost") or not slash:
        # A file of another machine is no file here: refused under the name that was typed.
        return text
    ways = [unquote_to_bytes(path), os.fsencode(path), unquote_to_bytes(re.split("[?#]", path, maxsplit=1)[0])]
    found = [f"/{os.fsdecode(way)}" for way in ways]
    return next((way for way in found if _exists(way)), found[-1])


def _is_local(text: str) -> bool:
    return text[:6].lower() == "file:/"


def _exists(text: str) -> bool:
    try:
        return Path(lora.file_of(text)).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False

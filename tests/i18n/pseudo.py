"""A catalogue that shows what was never looked up: whatever is left in Latin letters did not come through it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo

import skyreels_tui
from pipelines.front import language

ROOT = Path(skyreels_tui.__file__).parents[1]
KEYWORDS: dict[str, tuple[int, ...] | None] = {"tr": None, "trn": (1, 2), "mark": None, "mark_plural": (1, 2)}
"""What the Makefile tells pybabel: the functions that name a sentence, and which arguments hold it."""
KEPT = re.compile(r"\{[^{}]*\}|%(?:\(\w+\))?[rs]")
"""Fields of str.format and of argparse, which a translation keeps as they are."""
WORD = re.compile(r"(?<!\w)[A-Za-z]{2,}(?:['’-][A-Za-z]+)*(?!\w)")
NAMES = re.compile(r"\{\{.*?\}\}|(?<!\w)--?[a-z][\w-]*|\S*[/~_@]\S*|\b\w+\.\w+\b|(?<![a-z])[A-Z]{2,}(?![a-z])")
"""References, options, paths and addresses, names with underscores, names of files, metavars and acronyms."""

FOLDERS = frozenset(WORD.findall(f"{tempfile.gettempdir()} {Path.home()}"))
"""Words that a path may bring."""


def pseudo(text: str) -> str:
    """Turn the letters of `text` into Cyrillic ones, one for one: the width stays, and upper case stays upper case."""
    kept = KEPT.findall(text)
    pieces = [piece.translate(_CYRILLIC) for piece in KEPT.split(text)]
    return "".join(piece + field for piece, field in zip(pieces, [*kept, ""], strict=True))


def latin_words(text: str, allowed: Collection[str] = ()) -> list[str]:
    """Return the words of two or more Latin letters in `text`: no names, nor words of folders, nor allowed."""
    return [word for word in WORD.findall(NAMES.sub(" ", text)) if word not in allowed and word not in FOLDERS]


@cache
def sentences() -> Catalog:
    """Every sentence that the code names, with the files that name it."""
    catalog = Catalog(locale="pt_BR")
    for package in ("skyreels_tui", "pipelines"):
        for path, line, message, _, _ in extract_from_dir(ROOT / package, keywords=KEYWORDS):
            catalog.add(message, locations=[(f"{package}/{path}", line)])
    return catalog


def write_pseudo(folder: Path) -> None:
    """Write a Portuguese catalogue of pseudo sentences below `folder`, holding only what the code names.

    A sentence that is looked up without being named anywhere stays English in it.
    """
    catalog = Catalog(locale="pt_BR")
    for message in sentences():
        if isinstance(message.id, tuple):
            catalog.add(message.id, tuple(map(pseudo, message.id)))
        elif message.id:
            catalog.add(message.id, pseudo(message.id))
    path = folder / "pt_BR" / "LC_MESSAGES" / f"{language.DOMAIN}.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        write_mo(stream, catalog)


_LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CYRILLIC = str.maketrans(_LATIN, "".join(chr((0x410 if c.isupper() else 0x430) + (ord(c) | 32) - 97) for c in _LATIN))

"""JSON and TOML that somebody else may have written: whatever is wrong with a text is a ValueError."""

from __future__ import annotations

import json
import math
import re
import tomllib
from typing import Any

from pipelines.front.language import tr

MOST_BITS = 14_000
"""Of a whole number: Python prints and reads no more than 4300 decimal digits."""


def read_json(text: str | bytes) -> Any:
    """Return what a JSON text holds; raises ValueError, also for lists too deep and numbers too long to read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(tr("lists within lists, too deep to read")) from None


def read_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text holds; a whole number too long to print is infinite there, and beyond every range.

    Raises ValueError, also for tables too deep to read.
    """
    try:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise
        except ValueError:
            # A number of more digits than Python reads, or a date that no calendar has: the first has a word in TOML.
            document = tomllib.loads(_TOO_LONG.sub(r"\1inf", text))
        return {key: _printable(value) for key, value in document.items()}
    except RecursionError:
        raise ValueError(tr("tables within tables, too deep to read")) from None


def plain_number(text: str) -> int | None:
    """Return the number that `text` spells in plain digits; None for all else, and for what no 64 bits can hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_64_BITS else None


_DIGITS_OF_64_BITS = 18
_TOO_LONG = re.compile(r"(?<=[=\[,\s])([+-]?)[1-9][\d_]{4300,}(?=[\s,\]}#]|$)")


def _printable(value: Any) -> Any:
    # TOML also writes numbers in base 16, whose length says little of their decimal digits.
    match value:
        case dict():
            return {key: _printable(inside) for key, inside in value.items()}
        case list():
            return [_printable(inside) for inside in value]
        case int() if value.bit_length() > MOST_BITS:
            return math.inf if value > 0 else -math.inf
    return value

"""JSON and TOML that somebody else may have written: whatever is wrong with a text is a ValueError."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
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
    """Return what a TOML text holds; raises ValueError, also for tables too deep and numbers too long to print."""
    try:
        document = tomllib.loads(text)
        _check_numbers([document])
    except RecursionError:
        raise ValueError(tr("tables within tables, too deep to read")) from None
    return document


def plain_number(text: str) -> int | None:
    """Return the number that `text` spells in plain digits; None for all else, and for what no 64 bits can hold."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_64_BITS else None


_DIGITS_OF_64_BITS = 18


def _check_numbers(values: Iterable[object]) -> None:
    # TOML also writes numbers in base 16, whose length says little of their decimal digits.
    for value in values:
        if isinstance(value, dict):
            _check_numbers(value.values())
        elif isinstance(value, list):
            _check_numbers(value)
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError(tr("a number of {count} bits", count=value.bit_length()))

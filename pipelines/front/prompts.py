"""A prompt as the text encoder reads it: cleaned, and counted in its tokens; loads no network and no torch."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from pathlib import Path

import ftfy
from tokenizers import Tokenizer

from pipelines.front.documents import read_json

PROMPT_TOKENS = 512
"""Rows of text that the transformers attend to, end token and padding included."""


def clean_prompt(text: str) -> str:
    """Repair the text, resolve HTML entities twice and make every run of white space one space."""
    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", repaired.strip()).strip()


def may_be_cut(cleaned: str) -> bool:
    """Whether counting is worth it: a token is at least a byte."""
    return len(cleaned.encode("utf-8", "surrogatepass")) >= PROMPT_TOKENS


def count_tokens(cleaned: str, tokenizer_folder: Path) -> int:
    """Tokens of a cleaned prompt, end token included, by the checkpoint's own tokenizer.

    Raises OSError or ValueError when its file cannot be used.
    """
    return len(_tokenizer(tokenizer_folder / "tokenizer.json").encode(cleaned).ids)


@lru_cache(maxsize=1)
def _tokenizer(path: Path) -> Tokenizer:
    # The library raises a bare Exception for a damaged file: what can be wrong with it is looked for first.
    text = path.read_text(encoding="utf-8")
    content = read_json(text)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict) or "vocab" not in content["model"]:
        raise ValueError(f"{path} is no tokenizer")
    return Tokenizer.from_str(text)

"""Joins finished clips into one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def join_clips(paths: Sequence[str | Path], output: str | Path) -> Path:
    """Write the clips one after the other to `output` (mp4) and return it; MediaError or DiskFull.

    Stream copy when all have the same codec, size and rate, else re-encoded to the most common size and rate;
    silence stands where a clip has no sound and another has.
    """
    raise NotImplementedError

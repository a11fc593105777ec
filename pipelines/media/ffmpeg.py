"""Finds ffmpeg and runs it: no shell, no network, bounded time and output, errors in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def ffmpeg_path() -> Path:
    """Return the system's ffmpeg, else the binary of imageio-ffmpeg; MediaError when there is neither."""
    raise NotImplementedError


def run(args: Sequence[str], *, time_limit_s: float = 60.0, check: bool = True) -> tuple[bytes, str]:
    """Run ffmpeg with `args` (compiled from a stream) and return (stdout, stderr); MediaError on failure."""
    raise NotImplementedError

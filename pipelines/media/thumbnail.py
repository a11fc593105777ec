"""Small RGB pictures of media files for the terminal: fast and bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path


def thumbnail(path: str | Path, width: int, height: int) -> bytes:
    """Return width * height * 3 RGB bytes of a picture or a video's middle frame, fitted on black."""
    raise NotImplementedError


def frames_at(path: str | Path, times: Sequence[float], width: int, height: int) -> list[bytes]:
    """Return one width x height RGB picture a time (seconds from the start), in the order of `times`."""
    raise NotImplementedError


def play(path: str | Path, width: int, height: int, fps: float = 4.0) -> Iterator[bytes]:
    """Yield a video's frames small at `fps`, as fast as they are taken; closing the iterator stops ffmpeg."""
    raise NotImplementedError

"""Turns a job's pieces into its one finished mp4, with sound and its own recipe inside, and checks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.request import Request
from pipelines.runtime import Output, Runtime


def publish(
    pieces: Sequence[Path],
    runtime: Runtime,
    request: Request,
    *,
    task: str,
    fps: float,
    num_frames: int,
    before: str | Path | None = None,
    sound: str | Path | None = None,
    sound_seconds: float | None = None,
    warnings: Sequence[str] = (),
) -> Output:
    """Write `<result_dir>/<task>/<output_stem>.mp4` and its sidecar JSON; the same call gives the same file.

    `num_frames` counts the frames of `pieces` together. `before` is the input video shown ahead of them
    (its size stretched to theirs, at `fps`, its sound kept); `sound` is a recording that starts at 0, cut at
    `sound_seconds` and padded with silence to the picture's length. Raises MediaError or DiskFull.
    """
    raise NotImplementedError


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return what `publish` stored in an mp4: 'task', 'request' (all fields) and the runtime's metadata.

    {} when the file holds no recipe of ours; MediaError when it cannot be read.
    """
    raise NotImplementedError

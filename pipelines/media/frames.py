"""Decodes chosen frames of a video in two bounded passes: first the time stamps, then only the pictures wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import MediaError
from pipelines.media.ffmpeg import Process, arguments, failure, run, source, traits
from pipelines.media.files import shown
from pipelines.media.probe import VideoInfo, listing

SEEK_MARGIN_S = 2.0
"""Extra seconds decoded before the wanted ones, so that rounding at the seek never costs a frame."""
ROUNDING = 0.25
"""Frames by which time stamps may be off (containers store milliseconds) without a frame being missed."""
DECODE_LIMIT_S = 6 * 3600.0


def frames_within(span_s: float, fps: float) -> int:
    """Return how many frames at `fps` fit between a first and a last frame `span_s` apart."""
    return int(span_s * fps + ROUNDING) + 1


def nearest(times_s: Sequence[float], fps: float, count: int) -> list[int]:
    """Return the indices of the frames nearest to t_end - i / fps, oldest first; `times_s` ascends."""
    stamps = np.asarray(times_s, dtype=np.float64)
    wanted = stamps[-1] - np.arange(count - 1, -1, -1) / fps
    after = np.clip(np.searchsorted(stamps, wanted), 1, max(1, len(stamps) - 1))
    if len(stamps) == 1:
        return [0] * count
    closer = (stamps[after] - wanted) <= (wanted - stamps[after - 1])
    return [int(index) for index in np.where(closer, after, after - 1)]


def frame_times(path: Path, from_s: float = 0.0) -> list[float]:
    """Decode from `from_s` on and return every frame's time stamp, in seconds, ascending."""
    # A clock of its own: some encoders would round the stamps to whole frames.
    stream = _open(path, from_s).output(
        "pipe:1", map="0:V:0", f="framecrc", enc_time_base="1:90000", **traits().keep_frames
    )
    done = run(stream, time_limit_s=DECODE_LIMIT_S, max_bytes=256 << 20, check=False)
    _, packets = listing(done.stdout)
    if not packets:
        raise MediaError(f"{shown(path)}: no frame could be decoded ({failure(done.messages, done.timed_out)})")
    return [packet.time_s for packet in packets]


def read_frames(
    path: Path, indices: Sequence[int], width: int, height: int, from_s: float = 0.0
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of these ascending indices (repeats allowed), upright, uint8 [height, width, 3].

    Index 0 is the first frame that `frame_times` reports for the same `from_s`.
    """
    scale = f"scale={width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int,setsar=1,format=rgb24"
    kept = sorted(set(indices))
    filters = f"select='{_selection(kept)}',{scale}"
    stream = _open(path, from_s).output(
        "pipe:1", map="0:V:0", f="rawvideo", vf=filters, **{"frames:v": len(kept)}, **traits().keep_frames
    )
    size = width * height * 3
    with Process(arguments(stream), time_limit_s=DECODE_LIMIT_S) as process:
        for _, same in groupby(indices):
            data = process.stdout.read(size)
            if len(data) < size:
                process.wait()
                reason = failure(process.messages, process.timed_out)
                raise MediaError(f"{shown(path)}: fewer frames came out than were announced ({reason})")
            frame = np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)
            for _ in same:
                yield frame


def tail_times(info: VideoInfo, seconds: float) -> tuple[list[float], float]:
    """Return the time stamps of at least the last `seconds`, and where decoding must begin to see the same ones.

    Seeks close to the end; a file whose index misleads is decoded from its beginning.
    """
    end_s = info.start_s + info.span_s
    from_s = max(0.0, end_s - seconds - SEEK_MARGIN_S)
    if from_s > 0:
        try:
            times = frame_times(info.path, from_s)
        except MediaError:
            times = []
        reaches_end = times and abs(times[-1] + from_s - end_s) < 1.5 / info.fps
        if reaches_end and times[-1] - times[0] >= seconds:
            return times, from_s
    return frame_times(info.path), 0.0


def _open(path: Path, from_s: float) -> object:
    return source(path, ss=f"{from_s:.6f}") if from_s > 0 else source(path)


def _selection(kept: Sequence[int]) -> str:
    """Write ascending indices as an expression of runs for ffmpeg's select filter."""
    runs: list[list[int]] = []
    for index in kept:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return "+".join(f"between(n,{first},{last})" for first, last in runs)

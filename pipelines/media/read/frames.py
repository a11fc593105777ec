"""Decodes chosen frames of a video in two bounded passes: first the time stamps, then only the pictures wanted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.trim import ROUNDING_S, Trim
from pipelines.media.ffmpeg import Process, arguments, failure, run, source, traits
from pipelines.media.files import shown
from pipelines.media.read.colours import to_rgb, whole_pictures
from pipelines.media.read.probe import VideoInfo, listing, picture_times, probe_video

SEEK_MARGIN_S = 2.0
"""Extra seconds decoded before the wanted ones, so that rounding at the seek never costs a frame."""
STAMP_ERROR_S = 0.0025
"""What containers that store milliseconds may be off; a picture never comes earlier than this."""
ROUNDING = 0.25
"""Frames by which time stamps may be off (containers store milliseconds) without a frame being missed."""
DECODE_LIMIT_S = 6 * 3600.0
MAX_RUNS = 64
"""Runs of frames in one select expression: a command line and its evaluation have limits."""


def last_moment(last_s: float, held_s: float, fps: float) -> float:
    """Return the time of the last frame at `fps` of a video whose last picture comes at `last_s` and stays `held_s`."""
    return max(last_s, last_s + held_s - 1 / fps)


def frames_within(duration_s: float, fps: float) -> int:
    """Return how many frames at `fps` show a video whose last picture ends after `duration_s`."""
    return max(1, int(duration_s * fps + ROUNDING))


def shown_at(times_s: Sequence[float], held_s: float, fps: float, count: int) -> list[int]:
    """Return the indices of the pictures that a player shows at the last `count` moments at `fps`, oldest first.

    A picture stays until the next one comes. `times_s` ascends.
    """
    stamps = np.asarray(times_s, dtype=np.float64)
    moments = last_moment(stamps[-1], held_s, fps) - np.arange(count - 1, -1, -1) / fps
    current = np.searchsorted(stamps, moments + STAMP_ERROR_S, side="right") - 1
    return [int(index) for index in np.maximum(current, 0)]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures of a video in a row."""

    times_s: list[float]
    held_s: float
    """Seconds that the last of them stays."""
    skipped: int = 0
    """Pictures before the first of them, from where decoding begins."""
    from_s: float = 0.0
    """Where decoding begins."""

    @property
    def length_s(self) -> float:
        """From the first of them until the last has stayed."""
        return self.times_s[-1] - self.times_s[0] + self.held_s


def within(trim: Trim, times_s: Sequence[float], info: VideoInfo, from_s: float = 0.0) -> Pictures | None:
    """The pictures that come between the start and the end of `trim`, None without one.

    `times_s`, ascending, count from `from_s`; the trim counts from the video's first picture.
    """
    error_s = min(ROUNDING_S, 0.25 / info.fps)
    shift_s = info.start_s - from_s
    end_s = shift_s + trim.end_s if trim.end_s else float("inf")
    first = bisect_left(times_s, shift_s + trim.start_s - error_s)
    stop = bisect_left(times_s, end_s - error_s)
    if first >= stop:
        return None
    next_s = times_s[stop] if stop < len(times_s) else times_s[-1] + info.held_s
    held_s = max(min(next_s, end_s) - times_s[stop - 1], error_s)
    return Pictures(list(times_s[first:stop]), held_s, first, from_s)


def all_pictures(info: VideoInfo, trim: Trim) -> Pictures:
    """Every picture of a trimmed video, by decoding it. Raises MediaError."""
    if trim.is_whole:
        return Pictures(frame_times(info.path), info.held_s)
    until_s = info.start_s + trim.end_s + SEEK_MARGIN_S if trim.end_s else None
    return _some(within(trim, frame_times(info.path, until_s=until_s), info), info)


def last_pictures(info: VideoInfo, trim: Trim, seconds: float) -> Pictures:
    """At least the last `seconds` of a trimmed video, or all of it where it is shorter. Raises MediaError."""
    if trim.is_whole:
        times, from_s = tail_times(info, seconds)
        return Pictures(times, info.held_s, 0, from_s)
    end_s = info.start_s + (min(trim.end_s, info.span_s) or info.span_s)
    from_s = max(0.0, end_s - seconds - 2 * SEEK_MARGIN_S)
    if from_s > 0:
        try:
            times = frame_times(info.path, from_s, end_s + SEEK_MARGIN_S)
        except MediaError:
            times = []
        # A file whose index misleads is decoded from its beginning.
        tail = Trim(max(trim.start_s, end_s - info.start_s - seconds - SEEK_MARGIN_S), trim.end_s)
        found, listed = within(tail, times, info, from_s), within(tail, picture_times(info.path), info)
        if found is not None and listed is not None and _are_same(found, listed):
            return found
    return all_pictures(info, trim)


def _are_same(found: Pictures, listed: Pictures) -> bool:
    """Whether what was decoded after a seek is what the file lists there."""
    late_s = found.times_s[-1] + found.from_s - listed.times_s[-1]
    return len(found.times_s) == len(listed.times_s) and abs(late_s) < STAMP_ERROR_S


def _some(pictures: Pictures | None, info: VideoInfo) -> Pictures:
    if pictures is None:
        raise MediaError(tr("{name}: no picture comes between the start and the end", name=shown(info.path)))
    return pictures


def frame_times(path: Path, from_s: float = 0.0, until_s: float | None = None) -> list[float]:
    """Decode from `from_s` on, and about as far as `until_s`; return every frame's time stamp, in seconds, ascending.

    The stamps count from `from_s`.
    """
    # A clock of its own: some encoders would round the stamps to whole frames.
    stream = _open(path, from_s, until_s).output(
        "pipe:1", map="0:V:0", f="framecrc", enc_time_base="1:90000", **traits().keep_frames
    )
    done = run(stream, time_limit_s=DECODE_LIMIT_S, max_bytes=256 << 20, check=False)
    _, packets = listing(done.stdout)
    if not packets:
        raise MediaError(
            tr(
                "{name}: no frame could be decoded ({reason})",
                name=shown(path),
                reason=failure(done.messages, done.timed_out),
            )
        )
    return [packet.time_s for packet in packets]


def read_frames(
    path: Path,
    indices: Sequence[int],
    width: int,
    height: int,
    from_s: float = 0.0,
    keep_shape: VideoInfo | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of these ascending indices (repeats allowed), upright, uint8 [height, width, 3].

    Index 0 is the first frame that `frame_times` reports for the same `from_s`. The picture is stretched to the
    size; with the video's facts in `keep_shape` it is fitted into it, on black.
    """
    inner_width, inner_height = fitted(keep_shape, width, height) if keep_shape else (width, height)
    look = probe_video(path).look
    pictures = to_rgb(path, look, inner_width, inner_height, "bicubic+accurate_rnd+full_chroma_int")
    if (inner_width, inner_height) != (width, height):
        pictures += f",pad={width}:{height}:{(width - inner_width) // 2}:{(height - inner_height) // 2}:black"
    sent = _sent(sorted(set(indices)))
    chosen = f"select='{'+'.join(f'between(n,{run[0]},{run[-1]})' for run in sent)}'"
    # Whole pictures first: they are made of their neighbours, which are left out next.
    filters = ",".join(filter(None, [whole_pictures(path, look), chosen, pictures]))
    stream = _open(path, from_s).output(
        "pipe:1", map="0:V:0", f="rawvideo", vf=filters, **{"frames:v": sum(map(len, sent))}, **traits().keep_frames
    )
    arriving = chain.from_iterable(sent)
    size = width * height * 3
    with Process(arguments(stream), time_limit_s=DECODE_LIMIT_S) as process:
        for index, same in groupby(indices):
            for number in arriving:
                data = process.stdout.read(size)
                if number == index:
                    break
            if len(data) < size:
                process.wait()
                reason = failure(process.messages, process.timed_out)
                raise MediaError(
                    tr("{name}: fewer frames came out than were announced ({reason})", name=shown(path), reason=reason)
                )
            frame = np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)
            for _ in same:
                yield frame


def fitted(info: VideoInfo, width: int, height: int) -> tuple[int, int]:
    """Return the largest (width, height) of the upright picture within width x height."""
    scale = min(width / info.width, height / info.height)
    return min(width, max(1, round(info.width * scale))), min(height, max(1, round(info.height * scale)))


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


def _open(path: Path, from_s: float, until_s: float | None = None) -> Any:
    begin = {"ss": f"{from_s:.6f}"} if from_s > 0 else {}
    end = {} if until_s is None else {"t": f"{until_s - from_s:.6f}"}
    return source(path, **begin, **end)


def _sent(kept: Sequence[int]) -> list[range]:
    """Return the runs of frames that ffmpeg is asked for; with too many gaps one run, thinned out here."""
    runs: list[range] = []
    for index in kept:
        if runs and index == runs[-1].stop:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs if len(runs) <= MAX_RUNS else [range(kept[0], kept[-1] + 1)]

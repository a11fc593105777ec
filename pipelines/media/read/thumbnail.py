"""Small RGB pictures of media files for the terminal: fast and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.front.trim import Trim
from pipelines.media.ffmpeg import Process, arguments, run, source
from pipelines.media.read.colours import to_rgb, whole_pictures
from pipelines.media.read.frames import STAMP_ERROR_S, fitted, last_pictures, read_frames
from pipelines.media.read.probe import VideoInfo, picture_times, probe_video

FRAME_LIMIT_S = 5.0
AT_ONCE = 5
"""Pictures that are decoded at the same time."""
PLAY_LIMIT_S = 4 * 3600.0


def frames_at(path: str | Path, times: Sequence[float], width: int, height: int) -> list[bytes]:
    """Return one width x height RGB picture a time (seconds from the start), in the order of `times`.

    Times outside the video give its first or last frame; a place that cannot be decoded gives black.
    """
    info = probe_video(path)
    within = [min(max(0.0, time), info.span_s) for time in times]
    # Each is a process of its own, whose start is most of its time.
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="looks") as threads:
        return list(threads.map(lambda time: _frame(info, time, width, height), within))


def picture_of(path: str | Path, number: int, width: int, height: int) -> bytes:
    """Return a picture of a video by its number, counted from 0, as width x height RGB. Raises MediaError."""
    info, times = probe_video(path), picture_times(path)
    gap_s = times[number] - times[number - 1] if number else 1 / info.fps
    seek = max(0.0, times[number] - gap_s / 2)
    filters = ",".join(filter(None, ["showinfo", whole_pictures(info.path, info.look), _fit(info, width, height)]))
    stream = source(info.path, ss=f"{seek:.6f}").output(
        "pipe:1", map="0:V:0", f="rawvideo", vf=filters, **{"frames:v": 1}
    )
    done = run(stream, time_limit_s=FRAME_LIMIT_S, max_bytes=width * height * 3, check=False)
    came = re.search(r"pts_time:(-?[\d.]+)", done.messages)
    if came and abs(float(came.group(1)) + seek - times[number]) < min(STAMP_ERROR_S, gap_s / 2):
        return done.stdout
    # Where a seek misses, the pictures before it are decoded and counted.
    until_s = times[number + 1] if number + 1 < len(times) else times[number] + 1
    pictures = last_pictures(info, Trim(0.0, until_s - info.start_s), gap_s)
    [frame] = read_frames(
        info.path, [pictures.skipped + len(pictures.times_s) - 1], width, height, pictures.from_s, keep_shape=info
    )
    return frame.tobytes()


def play(path: str | Path, width: int, height: int, fps: float = 4.0) -> Iterator[bytes]:
    """Yield a video's frames small at `fps`, as fast as they are taken; closing the iterator stops ffmpeg."""
    info = probe_video(path)
    whole = whole_pictures(info.path, info.look)
    filters = ",".join(filter(None, [whole, f"fps={fps:g}", _fit(info, width, height)]))
    stream = source(info.path).output("pipe:1", map="0:V:0", f="rawvideo", vf=filters)
    size = width * height * 3
    with Process(arguments(stream), time_limit_s=PLAY_LIMIT_S) as process:
        while len(picture := process.stdout.read(size)) == size:
            yield picture


def _frame(info: VideoInfo, time_s: float, width: int, height: int) -> bytes:
    size = width * height * 3
    filters = ",".join(filter(None, [whole_pictures(info.path, info.look), _fit(info, width, height)]))
    # Half a frame early: a seek takes the first frame at or after its time.
    for seek in (max(0.0, info.start_s + time_s - 0.5 / info.fps), 0.0):
        stream = source(info.path, ss=f"{seek:.6f}").output(
            "pipe:1", map="0:V:0", f="rawvideo", vf=filters, **{"frames:v": 1}
        )
        picture = run(stream, time_limit_s=FRAME_LIMIT_S, max_bytes=size, check=False).stdout
        if len(picture) == size:
            return picture
    return bytes(size)


def _fit(info: VideoInfo, width: int, height: int) -> str:
    """Return the filters that put the whole upright picture on a black canvas."""
    inner_width, inner_height = fitted(info, width, height)
    # RGB first: padding in YUV would round offsets to whole chroma samples.
    return (
        f"{to_rgb(info.path, info.look, inner_width, inner_height, 'area')},"
        f"pad={width}:{height}:{(width - inner_width) // 2}:{(height - inner_height) // 2}:black"
    )

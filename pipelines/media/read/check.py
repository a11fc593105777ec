"""Says in words, within 5 seconds and bounded memory, why a media file cannot be used as an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.front.errors import MediaError, Problem
from pipelines.front.language import tr
from pipelines.front.shapes import MODEL_FPS
from pipelines.front.trim import CHANNEL, Trim, channel_index
from pipelines.media.files import shown
from pipelines.media.read.frames import frames_within, within
from pipelines.media.read.probe import AudioInfo, image_damage, picture_times, probe_audio, probe_image, probe_video

MIN_SIDE = 16
MAX_VIDEO_SIDE = 8192
MAX_ASPECT = 40
"""A longer side of at most 40 times the shorter: beyond it nothing is left of the picture after scaling."""
CUT_SHORT = 0.05
"""Part of the promised sound that may be missing before a recording counts as cut off."""


def image_problem(path: str | Path) -> str:
    """Return '' for a usable picture, else what is wrong with it."""
    try:
        info = probe_image(path)
        problem = _size_problem(info.width, info.height)
        if problem:
            return tr("{name}: the picture is {problem}", name=shown(path), problem=problem)
        damage = image_damage(path)
        if not damage:
            return ""
        return tr("{name}: the picture is damaged or cut off ({reason})", name=shown(path), reason=damage)
    except MediaError as error:
        return str(error)


def video_problem(path: str | Path, frames_needed: int, raw_frames: bool = False) -> str:
    """Return '' for a video with `frames_needed` frames at 24 fps (as stored when `raw_frames`), else why not."""
    try:
        info = probe_video(path)
    except MediaError as error:
        return str(error)
    problem = _size_problem(info.width, info.height)
    if not problem and max(info.width, info.height) > MAX_VIDEO_SIDE:
        problem = tr(
            "{width}x{height}: at most {limit} pixels a side",
            width=info.width,
            height=info.height,
            limit=MAX_VIDEO_SIDE,
        )
    if problem:
        return tr("{name}: the video is {problem}", name=shown(path), problem=problem)
    frames = info.num_frames if raw_frames else frames_within(info.duration_s, MODEL_FPS)
    if frames >= frames_needed:
        return ""
    facts = {"name": shown(path), "needed": frames_needed, "frames": frames, "seconds": info.duration_s}
    if raw_frames:
        return tr("{name}: {needed} frames are needed, the video has {frames} ({seconds:.2f} s)", **facts)
    return tr(
        "{name}: {needed} frames at {fps} fps are needed, the video has {frames} ({seconds:.2f} s)",
        fps=MODEL_FPS,
        **facts,
    )


def video_trim_problems(
    paths: Sequence[str], trim: Trim, frames_needed: int, *, raw_frames: bool = False
) -> list[Problem]:
    """Why a stretch of readable videos cannot be used: it is none of theirs, or has too few frames."""
    if order := trim.order_problem():
        return [order]
    problems = []
    for path in _names(paths):
        info = probe_video(path)
        if problem := trim.problem(shown(path), info.duration_s):
            problems.append(problem)
            continue
        used = within(trim, picture_times(path), info)
        frames = 0 if used is None else len(used.times_s)
        if used is not None and not raw_frames:
            frames = frames_within(used.length_s, MODEL_FPS)
        if frames < frames_needed:
            facts = {"name": shown(path), "needed": frames_needed, "frames": frames}
            if raw_frames:
                words = tr("{name}: {needed} frames are needed, start to end holds {frames}", **facts)
            else:
                words = tr("{name}: {needed} frames at {fps} fps are needed, start to end holds {frames}",
                           fps=MODEL_FPS, **facts)  # fmt: skip
            problems.append(Problem(trim.blamed, words))
    return problems


def audio_stretch_problems(paths: Sequence[str], trim: Trim, channel: str, min_s: float, max_s: float) -> list[Problem]:
    """Why a stretch or a channel of readable recordings cannot be used."""
    if order := trim.order_problem():
        return [order]
    problems = []
    for path in _names(paths):
        info, name = probe_audio(path), shown(path)
        index = channel_index(channel)
        if index is not None and info.channels < 2:
            problems.append(Problem(CHANNEL, tr("{name}: has one channel only: choose all mixed", name=name)))
        if trim.is_whole:
            continue
        if problem := trim.problem(name, info.duration_s):
            problems.append(problem)
            continue
        first, stop = trim.samples(info.sample_rate, round(info.duration_s * info.sample_rate))
        seconds = (stop - first) / info.sample_rate
        if not min_s <= seconds <= max_s:
            words = tr("{name}: start to end lasts {seconds:.3f} s: {least:g} to {most:g} s are needed",
                       name=name, seconds=seconds, least=min_s, most=max_s)  # fmt: skip
            problems.append(Problem(trim.blamed, words))
    return problems


def audio_problem(path: str | Path, min_s: float, max_s: float) -> str:
    """Return '' for a recording (or a video with sound) of `min_s` to `max_s` seconds, else why not."""
    try:
        info = probe_audio(path)
    except MediaError as error:
        return str(error)
    name, seconds = shown(path), info.duration_s
    if _cut_short(info):
        return tr(
            "{name}: cut off: its header promises {claimed_s:.1f} s, {seconds:.1f} s can be read",
            name=name,
            claimed_s=info.claimed_s,
            seconds=seconds,
        )
    if seconds < min_s:
        return tr(
            "{name}: the sound lasts {seconds:.2f} s: at least {min_s:g} s are needed",
            name=name,
            seconds=seconds,
            min_s=min_s,
        )
    if seconds > max_s:
        return tr(
            "{name}: the sound lasts {seconds:.1f} s: at most {max_s:g} s; use a part of it, for example in two jobs",
            name=name,
            seconds=seconds,
            max_s=max_s,
        )
    return ""


def file_problems(field: str, paths: Sequence[str], check: Callable[[str], str]) -> list[Problem]:
    """Run `check` over `paths`; one Problem for `field` a refused file, each named in its message."""
    messages = [check(path) for path in _names(paths)]
    return [Problem(field, message) for message in messages if message]


def _names(paths: object) -> list[str]:
    """The paths that are some: what a file or a shell gave may be anything."""
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, tuple | list) else []


def _size_problem(width: int, height: int) -> str:
    if min(width, height) < MIN_SIDE:
        return tr(
            "{width}x{height}: each side needs at least {limit} pixels", width=width, height=height, limit=MIN_SIDE
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        return tr(
            "{width}x{height}: one side may be at most {limit} times the other",
            width=width,
            height=height,
            limit=MAX_ASPECT,
        )
    return ""


def _cut_short(info: AudioInfo) -> bool:
    missing = info.claimed_s - info.duration_s
    return info.is_damaged and missing > max(0.3, CUT_SHORT * info.claimed_s)

"""What a form shows about an input file: size and length in words, a small picture or a strip of sound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pipelines.errors import MediaError

Media = Literal["image", "video", "audio"]


@dataclass(frozen=True, slots=True)
class Facts:
    """One file in a few words; `problem` is '' when it can be read."""

    words: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """RGB bytes of `height` x `width`."""

    width: int
    height: int
    rgb: bytes
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """Peaks 0..1, one a column."""

    peaks: tuple[float, ...]
    caption: str = ""


def facts(path: str, media: Media) -> Facts:
    """Probe one file; at most a few seconds."""
    # Probing loads Pillow and runs ffmpeg: paid on a worker thread, after the form is on the screen.
    from pipelines.media import probe

    try:
        if media == "image":
            image = probe.probe_image(path)
            return Facts(f"{image.width}x{image.height} {image.format}")
        if media == "video":
            video = probe.probe_video(path)
            length = f"{video.duration_s:.1f} s, {video.num_frames} frames"
            return Facts(f"{video.width}x{video.height} {video.fps:.4g} fps {length}")
        audio = probe.probe_audio(path)
        kind = {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels")
        return Facts(f"{audio.duration_s:.1f} s {audio.sample_rate / 1000:g} kHz {kind}")
    except MediaError as error:
        return Facts(problem=str(error))


def look(path: str, media: Media, columns: int, rows: int) -> Picture | Sound | None:
    """A small view of one file: the picture, the last frame of a video, or the wave of a sound; None if unreadable."""
    try:
        if media == "audio":
            return _sound(path, columns)
        return _picture(path, media, columns, rows)
    except MediaError:
        return None


def _picture(path: str, media: Media, columns: int, rows: int) -> Picture:
    from pipelines.media.images import load_image
    from pipelines.media.video import last_frame
    from skyreels_tui.widgets.halfblocks import fit

    image = load_image(path) if media == "image" else last_frame(path)
    width, height = fit(image.width, image.height, columns, rows)
    small = image.resize((width, height))
    return Picture(width, height, small.tobytes(), "" if media == "image" else "last frame")


def _sound(path: str, columns: int) -> Sound:
    from pipelines.media.audio import decode_mono, loudness, waveform

    peaks = tuple(waveform(path, columns))
    level = loudness(decode_mono(path), 16000)
    quiet = "silent" if math.isinf(level) else f"{level:.0f} LUFS"
    warning = ", quiet: it is raised to -23" if not math.isinf(level) and level < -40 else ""
    return Sound(peaks, quiet + warning)

"""What a media file holds, read with Pillow and ffmpeg; results are remembered until the file changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A picture's upright size (EXIF orientation applied) and Pillow's name of its format."""

    path: Path
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first video stream of a file; `width` and `height` are upright and in square pixels."""

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    num_frames: int
    """Frames as stored, whatever their rate."""
    has_audio: bool
    rotation: int
    """Degrees clockwise that a player turns the stored picture by: 0, 90, 180 or 270."""
    pixel_format: str
    span_s: float = 0.0
    """Seconds from the first frame's time stamp to the last one's."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first sound stream of a file; `duration_s` is measured by decoding, not read from the header."""

    path: Path
    duration_s: float
    sample_rate: int
    channels: int
    claimed_s: float = 0.0
    """Seconds that the header promises; 0 when it promises nothing."""


def probe_image(path: str | Path) -> ImageInfo:
    """Read a picture's header; MediaError when it is none."""
    raise NotImplementedError


def probe_video(path: str | Path) -> VideoInfo:
    """Read a video's facts within a few seconds; MediaError when it has no readable video stream."""
    raise NotImplementedError


def probe_audio(path: str | Path) -> AudioInfo:
    """Decode the sound of a sound or video file to measure it; MediaError when there is none."""
    raise NotImplementedError

"""One exact frame of a video as a picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.files import shown
from pipelines.media.read.frames import frame_times, read_frames
from pipelines.media.read.probe import probe_video
from pipelines.media.read.video import last_frame


def frame_picture(path: Path, number: int) -> tuple[Image.Image, int]:
    """Return a frame, upright and RGB, and its number, counted from 1; -1 asks for the last. Raises MediaError."""
    info = probe_video(path)
    if number == -1:
        return last_frame(path), len(frame_times(info.path))
    count = len(frame_times(info.path))
    index = number - 1 if number > 0 else count + number
    if number == 0 or not 0 <= index < count:
        raise MediaError(
            tr("{name}: there is no frame {number}: it has {count}", name=shown(path), number=number, count=count)
        )
    (frame,) = read_frames(info.path, [index], info.width, info.height)
    return Image.fromarray(frame, mode="RGB"), index + 1


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG file."""
    stored = BytesIO()
    picture.save(stored, format="PNG")
    return stored.getvalue()

"""Small pictures of files, kept for as long as the program runs; made on the thread that asks for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.media.remote.address import Media

KEPT = 512
"""Pictures that are remembered."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """RGB bytes of `height` x `width`; all 0 for a file that shows nothing."""

    width: int = 0
    height: int = 0
    rgb: bytes = b""


PictureKey = tuple[str, float, int, int]

_pictures: OrderedDict[PictureKey, Thumbnail] = OrderedDict()
_lock = threading.Lock()


def known(path: str | Path, modified_s: float, columns: int, rows: int) -> Thumbnail | None:
    """Return a picture that has been made; None for one that has not."""
    return _pictures.get((str(path), modified_s, columns, rows))


def make(path: str | Path, modified_s: float, columns: int, rows: int, media: Media = "video") -> Thumbnail:
    """Return the picture, or the middle frame of a video, that fits in these cells; reads files, so use a worker."""
    key = (str(path), modified_s, columns, rows)
    made = _pictures.get(key) or _made(Path(path), media, columns, rows)
    with _lock:
        _pictures[key] = made
        while len(_pictures) > KEPT:
            _pictures.popitem(last=False)
    return made


def _made(path: Path, media: Media, columns: int, rows: int) -> Thumbnail:
    # Reading media loads Pillow and runs ffmpeg: no list pays for it before its first picture.
    from pipelines.media.read.images import load_image
    from pipelines.media.read.probe import probe_video
    from pipelines.media.read.thumbnail import frames_at
    from skyreels_tui.ui.drawing.halfblocks import fit

    try:
        if media == "image":
            image = load_image(str(path))
            width, height = fit(image.width, image.height, columns, rows)
            return Thumbnail(width, height, image.convert("RGB").resize((width, height)).tobytes())
        info = probe_video(path)
        width, height = fit(info.width, info.height, columns, rows)
        (rgb,) = frames_at(path, [info.duration_s / 2], width, height)
        return Thumbnail(width, height, rgb)
    except (PipelineError, OSError):
        return Thumbnail()

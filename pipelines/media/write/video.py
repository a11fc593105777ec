"""Streams frames into H.264 files; memory does not grow with the length."""

from __future__ import annotations

import queue
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipelines.front.errors import DiskFull, MediaError
from pipelines.front.language import tr
from pipelines.media.ffmpeg import Process, arguments, failure, file_url
from pipelines.media.files import shown

QUEUED_BYTES = 16 << 20
"""Frames handed to the encoder at once; four such parcels may wait."""
ENCODER_LIMIT_S = 14 * 24 * 3600.0
"""A writer stays open as long as its job computes."""
BITEXACT: dict[str, Any] = {"fflags": "+bitexact", "flags:v": "+bitexact+cgop"}
"""No versions and no dates in the file: the same frames give the same bytes."""
COLOURS: dict[str, Any] = {
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "color_range": "tv",
}


def h264_options() -> dict[str, Any]:
    """Return the one set of encoder options that every piece is written with, so that pieces join by copy."""
    return {
        "c:v": "libx264",
        "preset": "medium",
        "crf": 17,
        "pix_fmt": "yuv420p",
        "bf": 0,
        "g": 48,
        # The number of threads changes the bytes: fixed, so that they depend on no machine. So many keep up with the
        # decode of a fast GPU; where there are fewer cores they cost nothing.
        "threads": 12,
        **COLOURS,
        **BITEXACT,
    }


class VideoWriter:
    """Encodes frames to H.264 (yuv420p, crf 17, no B-frames) while the caller computes the next ones.

    `close()` (or leaving the `with`) finishes the file; an exception inside the `with` removes it.
    """

    def __init__(self, path: str | Path, width: int, height: int, fps: float) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise MediaError(
                tr(
                    "{width}x{height} cannot be written as H.264: width and height must be even",
                    width=width,
                    height=height,
                )
            )
        self.path, self.width, self.height, self.fps = Path(path), width, height, fps
        if not self.path.parent.is_dir():
            raise MediaError(
                tr("{folder}: no such folder to write {name} into", folder=self.path.parent, name=shown(path))
            )
        self.frames_written = 0
        self._parcels: queue.Queue[bytes | None] = queue.Queue(maxsize=4)
        self._broken = threading.Event()
        self._closed = False
        self._process = Process(arguments(self._stream()), time_limit_s=ENCODER_LIMIT_S, feed=True, memory_bytes=None)
        self._feeder = threading.Thread(target=self._feed, name="video-writer", daemon=True)
        self._feeder.start()

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Queue frames [N, H, W, 3]; blocks when the encoder is behind. MediaError or DiskFull when it died."""
        if frames.dtype != np.uint8 or frames.shape[1:] != (self.height, self.width, 3):
            expected = f"uint8 [N, {self.height}, {self.width}, 3]"
            raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}, expected {expected}")
        if self._closed:
            raise ValueError("the writer is closed")
        at_once = max(1, QUEUED_BYTES // (self.height * self.width * 3))
        for start in range(0, len(frames), at_once):
            if self._broken.is_set():
                self._fail()
            self._parcels.put(frames[start : start + at_once].tobytes())
        self.frames_written += len(frames)

    def close(self) -> None:
        """Wait for the encoder; MediaError or DiskFull when the file is not whole."""
        if self._closed:
            return
        if self.frames_written == 0:
            self.abort()
            raise MediaError(tr("{name}: no frame was written", name=shown(self.path)))
        self._closed = True
        self._parcels.put(None)
        self._feeder.join()
        status = self._process.wait()
        if status != 0 or self._broken.is_set() or no_room(self._process.messages):
            self._fail()

    def abort(self) -> None:
        """Stop the encoder and remove the partial file; safe to call twice."""
        self._closed = True
        self._broken.set()
        # Killed first: the feeder may be waiting inside a write.
        self._process.kill()
        with suppress(queue.Full):
            self._parcels.put_nowait(None)
        self._feeder.join()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _stream(self) -> Any:
        raw = ffmpeg.input("pipe:0", f="rawvideo", pix_fmt="rgb24", s=f"{self.width}x{self.height}", r=f"{self.fps:g}")
        # Named on both sides: without it RGB becomes BT.601 while the file says BT.709.
        to_yuv = "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd+full_chroma_int"
        return raw.output(
            file_url(self.path),
            f="mp4",
            vf=f"{to_yuv},format=yuv420p,setsar=1",
            movflags="+faststart",
            **h264_options(),
        )

    def _feed(self) -> None:
        """Carry parcels to the encoder; after a failure only empty the queue, so that nobody waits forever."""
        while (parcel := self._parcels.get()) is not None:
            if self._broken.is_set():
                continue
            try:
                self._process.stdin.write(parcel)
            except (OSError, ValueError):
                self._broken.set()
        try:
            self._process.stdin.close()
        except (OSError, ValueError):
            self._broken.set()

    def _fail(self) -> None:
        """Remove the partial file and raise what went wrong."""
        self._process.wait()
        messages = self._process.messages
        size = self.path.stat().st_size if self.path.exists() else 0
        self.abort()
        raise_write_error(self.path, messages, needed_bytes=2 * size + (64 << 20))


_NO_ROOM = re.compile(r"^\S.*: (?:No space left on device|Disk quota exceeded)\s*$", re.MULTILINE)
"""ffmpeg reports an error of a write in words alone: 'Error writing trailer of a.mp4: No space left on device'."""


def no_room(messages: str) -> bool:
    """True when ffmpeg ends a line with the system's words for a full disk; names of files stand before them."""
    return _NO_ROOM.search(messages) is not None


def raise_write_error(path: Path, messages: str, needed_bytes: int) -> None:
    """Raise DiskFull when ffmpeg found no room for `path`, else MediaError with its last words."""
    if no_room(messages):
        raise DiskFull(path.parent, needed_bytes, shutil.disk_usage(path.parent).free)
    raise MediaError(tr("{name} could not be written: {reason}", name=shown(path), reason=failure(messages)))

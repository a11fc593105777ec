"""Makes small media files with the real ffmpeg, so that tests know what every frame and sample should be."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np

from pipelines.media.ffmpeg import ffmpeg_path, traits

LOSSLESS = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
KEEP = tuple(word for name, value in traits().keep_frames.items() for word in (f"-{name}", str(value)))


def ffmpeg(*args: object, feed: bytes | None = None) -> None:
    """Run ffmpeg and fail the test with its words."""
    command = [str(ffmpeg_path()), "-hide_banner", "-loglevel", "error", "-y", *map(str, args)]
    done = subprocess.run(command, input=feed, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def counted(count: int, height: int = 32, width: int = 48, step: int = 4) -> np.ndarray:
    """Frames [count, height, width, 3] whose grey level is `step` times their number."""
    levels = (np.arange(count) * step % 256).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def halves(count: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Frames whose upper half is red and whose lower half is blue."""
    frames = np.zeros((count, height, width, 3), dtype=np.uint8)
    frames[:, : height // 2, :, 0] = 230
    frames[:, height // 2 :, :, 2] = 230
    return frames


def moving(count: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Frames of a drifting gradient: no two alike, none flat."""
    y, x = np.mgrid[0:height, 0:width]
    frames = [
        np.stack([(2 * x + 3 * i) % 256, (3 * y + i) % 256, np.full_like(x, 5 * i % 256)], axis=-1)
        for i in range(count)
    ]
    return np.stack(frames).astype(np.uint8)


def film(path: Path, frames: np.ndarray, fps: float = 24, *options: object) -> Path:
    """Encode frames (lossless unless `options` name a codec)."""
    _, height, width, _ = frames.shape
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", fps, "-i", "pipe:0")
    ffmpeg(*raw, *(options or LOSSLESS), path, feed=frames.tobytes())
    return path


def h264(path: Path, frames: np.ndarray, fps: float = 24, *options: object) -> Path:
    """Encode frames as most cameras do: H.264 with B-frames."""
    return film(path, frames, fps, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 10, *options)


def tone(path: Path, seconds: float, *options: object, rate: int = 44100, frequency: int = 440) -> Path:
    """Write a sine tone."""
    ffmpeg("-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate={rate}:duration={seconds}", *options, path)
    return path


def turn(source: Path, target: Path, degrees: int) -> Path:
    """Copy an mp4 with metadata that says: show it turned by `degrees` (90, 180, 270) counter-clockwise."""
    # Written by hand: the option for it has another name, or another sign, in each version of ffmpeg.
    data = bytearray(source.read_bytes())
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    rows = ((cosine, -sine), (sine, cosine))
    matrix = b"".join(struct.pack(">iii", one << 16, two << 16, 0) for one, two in rows)
    at = data.index(b"tkhd") + 44
    data[at : at + 24] = matrix
    target.write_bytes(data)
    return target

"""Chooses the sound that a player plays and measures it by decoding: nothing is believed that a header says.

Knows nothing about the rate or the loudness that a model wants.
"""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.media.ffmpeg import Process, arguments, source
from pipelines.media.read.headers import stream_lines

SILENT_PEAK = 1e-4
"""A track whose samples never reach this (-80 dB) is silent."""
BLOCK_S = 0.5
CANCELLED, CANCELLED_SHARE = 0.25, 0.1
"""Part of its power that a block keeps in the mean when channels work against each other; part of such blocks."""
MAX_LATE_S = 10.0
"""A recording that begins later than this has a clock of its own, and no silence before it."""
MAX_TRACKS = 8
DEFAULT_QUEUE = 8
"""Packets that ffmpeg reads ahead of an input."""
DAMAGE = re.compile(
    r"corrupt input packet|Packet corrupt|Invalid data found|Error while decoding|Decoding error|Error during demuxing"
    r"|File ended prematurely|partial file|Input/output error|Invalid PCM packet"
)
"""How ffmpeg says that something is missing or broken."""


@dataclass(slots=True)
class Heard:
    """What decoding one track brought to light."""

    track: int
    sample_rate: int = 0
    channels: int = 0
    num_samples: int = 0
    peak: float = 0.0
    messages: str = ""
    timed_out: bool = False
    _power: list[NDArray[np.float64]] = field(default_factory=list)
    _mean_power: list[float] = field(default_factory=list)

    def take(self, samples: NDArray[np.float32]) -> None:
        """Count a block of samples [n, channels]."""
        self.num_samples += len(samples)
        clean = np.where(np.isfinite(samples), samples, 0.0).astype(np.float64)
        self.peak = max(self.peak, float(np.abs(clean).max(initial=0.0)))
        self._power.append(np.square(clean).sum(axis=0))
        self._mean_power.append(float(np.square(clean.mean(axis=1)).sum()))

    @property
    def is_silent(self) -> bool:
        """True when no channel holds anything to be heard."""
        return self.peak < SILENT_PEAK

    @property
    def channel(self) -> int | None:
        """None when all channels are mixed; the loudest one when they would cancel each other."""
        if self.channels < 2 or not self._power:
            return None
        power = np.stack(self._power)
        unrelated = power.sum(axis=1) / self.channels**2
        lost = unrelated[np.asarray(self._mean_power) < CANCELLED * unrelated].sum()
        cancels = lost > CANCELLED_SHARE * unrelated.sum()
        return int(power.sum(axis=0).argmax()) if cancels else None


def playing_order(messages: str) -> list[int]:
    """Return the sound tracks as a player would choose them: the default one first, then as they are stored."""
    lines = stream_lines(messages, "Audio")
    default = next((index for index, line in enumerate(lines) if "(default)" in line), 0)
    return sorted(range(len(lines)), key=lambda index: index != default)[:MAX_TRACKS]


def late_start(messages: str) -> float:
    """Return the seconds of silence that a sound file (not a film) has before its first sample."""
    if stream_lines(messages, "Video") or not re.search(r"^Input #0, (mov|matroska)", messages, re.MULTILINE):
        return 0.0
    start = re.search(r"^  Duration: .*, start: ([\d.]+)", messages, re.MULTILINE)
    seconds = float(start.group(1)) if start else 0.0
    return seconds if 0.1 < seconds <= MAX_LATE_S else 0.0


def heard_stream(path: Path, track: int, late_s: float, number: int = 0) -> Any:
    """Return a track as a player plays it: silence where its clock has a gap, nothing left out where it jumps back.

    Several of one file in one graph each have a `number` of their own.
    """
    late = {"itsoffset": f"{late_s:.6f}"} if late_s else {}
    # ffmpeg-python takes two inputs that are alike for one, which cannot go two ways: a longer queue tells them apart.
    own = {"thread_queue_size": DEFAULT_QUEUE + number} if number else {}
    stamped = source(path, **late, **own)[f"a:{track}"].filter("asetpts", "st(0,max(ld(0),PTS-N))+N")
    return stamped.filter("aresample", **{"async": 1, "first_pts": 0})


def listen(path: Path, track: int, late_s: float, seconds: float, time_limit_s: float) -> Heard:
    """Decode up to `seconds` of one track and measure it."""
    heard = Heard(track)
    stream = heard_stream(path, track, late_s).output(
        "pipe:1", f="wav", map_metadata=-1, fflags="+bitexact", t=seconds, **{"c:a": "pcm_f32le"}
    )
    with Process(arguments(stream), time_limit_s=time_limit_s) as process:
        try:
            head = _wave_head(process.stdout)
            if head:
                heard.channels, heard.sample_rate = head
                width = 4 * heard.channels
                block = max(1, int(BLOCK_S * heard.sample_rate)) * width
                while data := process.stdout.read(block):
                    whole = len(data) // width * width
                    heard.take(np.frombuffer(data[:whole], dtype="<f4").reshape(-1, heard.channels))
        except (OSError, ValueError):
            # Killed at its limit.
            process.timed_out = True
        process.wait()
    heard.messages, heard.timed_out = process.messages, process.timed_out
    return heard


def choose_track(path: Path, seconds: float, time_limit_s: float) -> tuple[Heard, float]:
    """Return the track that a person hears and how late it starts: the player's choice unless it is silent."""
    until = time.monotonic() + time_limit_s
    first = listen(path, 0, 0.0, seconds, time_limit_s)
    order, late_s = playing_order(first.messages), late_start(first.messages)
    if first.timed_out or not first.channels:
        order = order[:1]
    candidates = []
    for track in order:
        left = until - time.monotonic()
        again = track or late_s
        if again and left <= 0:
            break
        candidates.append(listen(path, track, late_s, seconds, left) if again else first)
        if not candidates[-1].is_silent and candidates[-1].num_samples:
            return candidates[-1], late_s
    return (candidates or [first])[0], late_s if candidates else 0.0


def _wave_head(pipe: Any) -> tuple[int, int] | None:
    """Read a WAV header as far as its samples; returns channels and sample rate."""
    if pipe.read(12)[8:] != b"WAVE":
        return None
    found = None
    while len(head := pipe.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            return found
        body = pipe.read(size + size % 2)
        if name == b"fmt ":
            found = struct.unpack_from("<HI", body, 2)
    return None

"""What of an input is used and what is cut, in figures for a file and in words for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.front.language import tr
from pipelines.front.trim import MIX, Trim
from pipelines.media.read.frames import within
from pipelines.media.read.probe import picture_times, probe_audio, probe_video

LEAST_S = 0.0005
"""Less is not worth a word."""


@dataclass(frozen=True, slots=True)
class Used:
    """A stretch of a file: pictures or samples, counted from 1, both ends included."""

    unit: str
    """'frame' or 'sample'."""
    first: int
    last: int
    total: int
    starts_s: float
    ends_s: float
    length_s: float
    """Of the whole file."""
    channel: str = MIX

    def facts(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    def words(self) -> tuple[str, ...]:
        """What is used and what is cut; () for the whole file."""
        said = []
        if (self.first, self.last) != (1, self.total):
            seconds = {"start": self.starts_s, "end": self.ends_s, "length": self.length_s}
            if self.unit == "frame":
                said.append(tr("uses frames {first} to {last} of {total}, {start:.3f} to {end:.3f} s of {length:.3f} s",
                               first=self.first, last=self.last, total=self.total, **seconds))  # fmt: skip
            else:
                said.append(tr("uses {start:.3f} to {end:.3f} s of {length:.3f} s", **seconds))
            behind_s = self.length_s - self.ends_s
            said += [tr("cuts the first {seconds:.3f} s", seconds=self.starts_s)] if self.starts_s > 0 else []
            said += [tr("cuts the last {seconds:.3f} s", seconds=behind_s)] if behind_s > LEAST_S else []
        if self.channel != MIX:
            said.append(tr("left channel alone") if self.channel == "left" else tr("right channel alone"))
        return tuple(said)


def used_of_video(path: str | Path, trim: Trim) -> Used | None:
    """What of a readable video is used; None where its stretch holds nothing."""
    info, times = probe_video(path), picture_times(path)
    pictures = within(trim, times, info)
    if pictures is None:
        return None
    starts_s = pictures.times_s[0] - times[0]
    first = pictures.skipped + 1
    ends_s = starts_s + pictures.length_s
    return Used("frame", first, first + len(pictures.times_s) - 1, len(times), starts_s, ends_s, info.duration_s)


def used_of_sound(path: str | Path, trim: Trim, channel: str = MIX) -> Used | None:
    """What of a readable recording is used; None where its stretch holds nothing."""
    info = probe_audio(path)
    rate, count = info.sample_rate, round(info.duration_s * info.sample_rate)
    first, stop = trim.samples(rate, count)
    if first >= stop:
        return None
    return Used("sample", first + 1, stop, count, first / rate, stop / rate, info.duration_s, channel)

"""How alike two videos of one size are: peak signal-to-noise ratio and structural similarity by ffmpeg's filters."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.ffmpeg import run, source
from pipelines.media.files import shown
from pipelines.media.read.probe import probe_video

LIMIT_S = 3600.0
_PSNR = re.compile(r"PSNR .*average:(\S+)")
_SSIM = re.compile(r"SSIM .*All:(\S+)")


@dataclass(frozen=True, slots=True)
class Likeness:
    """Figures over all frames and channels."""

    psnr_db: float
    """math.inf for equal pictures."""
    ssim: float
    """1 for equal pictures."""


def likeness(first: str | Path, second: str | Path) -> Likeness:
    """Compare two videos frame by frame. Raises MediaError for files of different size or length."""
    one, other = probe_video(first), probe_video(second)
    if (one.width, one.height, one.num_frames) != (other.width, other.height, other.num_frames):
        raise MediaError(
            tr("{first} and {second} have not the same size and length", first=shown(first), second=shown(second))
        )
    found = []
    for filter_name, pattern in (("psnr", _PSNR), ("ssim", _SSIM)):
        pair = ffmpeg.filter([source(one.path)["v:0"], source(other.path)["v:0"]], filter_name)
        said = run(pair.output("pipe:1", f="null"), what=filter_name, time_limit_s=LIMIT_S).messages
        told = pattern.search(said)
        if told is None:
            raise MediaError(tr("ffmpeg did not say how alike the two files are"))
        found.append(math.inf if told[1] == "inf" else float(told[1]))
    return Likeness(*found)

"""Films of known colours and fields: bars in the colours of a screen, and a bar that moves between two fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.media.films import ffmpeg, film

PATCHES = [(128, 128, 128), (192, 48, 32), (48, 160, 64), (255, 255, 255)]


def patches(count: int = 12, height: int = 64, width: int = 128) -> np.ndarray:
    """Frames of four upright bars: grey, red, green, white."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    for index, colour in enumerate(PATCHES):
        frames[:, :, index * width // 4 : (index + 1) * width // 4] = colour
    return frames


def tagged(
    path: Path, matrix: str, primaries: str, transfer: str, *options: object, white: int = 203, full: bool = False
):
    """Film the bars as a camera of these colours does."""
    to = f"zscale=p={primaries}:t={transfer}:m={matrix}:r={'full' if full else 'limited'}:npl={white}"
    light = f"setparams=colorspace=gbr:color_primaries=bt709:color_trc=bt709:range=pc,zscale=t=linear:npl={white}"
    tags = ("-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer)
    to = f"format=gbrp,{light},format=gbrpf32le,{to},format=yuv420p10le"
    coder = options or ("-c:v", "libx264", "-crf", 4)
    return film(path, patches(), 24, "-vf", to, *coder, *tags, "-color_range", "pc" if full else "tv")


WIDE = {
    "HLG": ("bt2020nc", "bt2020", "arib-std-b67"),
    "PQ": ("bt2020nc", "bt2020", "smpte2084"),
    "PQ with P3 primaries": ("bt2020nc", "smpte432", "smpte2084"),
    "HLG in full range": ("bt2020nc", "bt2020", "arib-std-b67"),
    "PQ of 100 nits": ("bt2020nc", "bt2020", "smpte2084"),
    "BT.2020 without HDR": ("bt2020nc", "bt2020", "bt2020-10"),
    "Display P3": ("bt709", "smpte432", "bt709"),
    "BT.709 in 10 bit": ("bt709", "bt709", "bt709"),
    "SMPTE 240M": ("smpte240m", "bt709", "bt709"),
}


def fields(path: Path, order: str, *coder: object, mark: bool = True, height: int = 576) -> Path:
    """Film a bar that moves between the two fields of every picture."""
    first, name = {"tff": ("top", "tff"), "bff": ("bottom", "bff")}[order]
    said = f"setfield={name}" if mark else "setfield=prog"
    bar = f"overlay=x='mod(n*20\\,{height // 2})',tinterlace=interleave_{first},{said}"
    black, white = (f"color={c}:s={w}x{height}:r=50:d=1.2" for c, w in (("black", height), ("white", 60)))
    ffmpeg("-f", "lavfi", "-i", f"{black}[b];{white}[w];[b][w]{bar}", *coder, path)
    return path

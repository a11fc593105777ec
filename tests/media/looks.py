"""Films of known colours and fields: bars in the colours of a screen, and a bar that moves between two fields."""

from __future__ import annotations

import struct
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


def as_dolby_vision(path: Path, profile: int, layer: int) -> Path:
    """Make an mp4 say that it is Dolby Vision of this profile, with an ordinary layer of kind `layer` or 0 for none."""
    record = bytes([1, 0]) + struct.pack(">H", profile << 9 | 6 << 3 | 5) + bytes([layer << 4]) + bytes(19)
    box = struct.pack(">I4s", 32, b"dvcC") + record
    data = path.read_bytes()
    entry = next(kind for kind in (b"avc1", b"hev1", b"av01") if kind in data[data.index(b"stsd") :])
    trail = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry)
    path.write_bytes(_with_box(data, box, trail, 0))
    return path


def _with_box(data: bytes, box: bytes, trail: tuple[bytes, ...], at: int) -> bytes:
    """Put a box at the end of the innermost of nested ones, from `at` on; all of them grow."""
    while data[at + 4 : at + 8] != trail[0]:
        at += struct.unpack(">I", data[at : at + 4])[0]
    size = struct.unpack(">I", data[at : at + 4])[0]
    if len(trail) == 1:
        data = data[: at + size] + box + data[at + size :]
    else:
        data = _with_box(data, box, trail[1:], at + (16 if trail[0] == b"stsd" else 8))
    return data[:at] + struct.pack(">I", size + len(box)) + data[at + 4 :]


ENCRYPTED_ASF = {"old": "fbb3112223bdd211b4b700a0c955fc6e", "new": "14e68a292226174cb935dae07ee9289c"}


def encrypted_asf(path: Path, kind: str) -> Path:
    """A WMV or WMA whose head has the object that says that it is encrypted."""
    picture = ("-f", "lavfi", "-i", "testsrc=s=128x64:r=24:d=1.5") if path.suffix == ".wmv" else ()
    ffmpeg(*picture, "-f", "lavfi", "-i", "sine=d=2", path)
    data, added = path.read_bytes(), bytes.fromhex(ENCRYPTED_ASF[kind]) + struct.pack("<Q", 56) + bytes(32)
    size, count = struct.unpack("<QI", data[16:28])
    path.write_bytes(data[:16] + struct.pack("<QI", size + len(added), count + 1) + data[28:30] + added + data[30:])
    return path

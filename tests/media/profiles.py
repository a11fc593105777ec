"""Small colour profiles, made by hand, and what the colours of a screen are in them."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms


def profile(red=(0.64, 0.33), green=(0.30, 0.60), blue=(0.15, 0.06), gamma=2.2, grey=False) -> bytes:
    """A small ICC profile (version 2) of these primaries, or of one grey curve."""

    def xyz(x, y, z):
        return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(v * 65536) for v in (x, y, z)))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0\0\0\0", b"wtpt": xyz(0.9642, 1, 0.8249)}
    if grey:
        tags[b"kTRC"] = curve
    else:
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
        d65 = np.array([0.9505, 1, 1.089])
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
        columns = columns * np.linalg.solve(columns, d65)
        bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
        scale = np.diag(bradford @ [0.9642, 1, 0.8249] / (bradford @ d65))
        columns = np.linalg.inv(bradford) @ scale @ bradford @ columns
        tags |= {name: xyz(*columns[:, index]) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


ADOBE = {"green": (0.21, 0.71)}
P3 = {"red": (0.68, 0.32), "green": (0.265, 0.69)}
COLOURS = np.array([[(200, 60, 40), (60, 180, 70), (50, 60, 200), (128, 128, 128), (255, 255, 255)]], np.uint8)


def in_profile(**primaries) -> np.ndarray:
    """The numbers that these colours of the screen have in a profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile(**primaries)))
    source = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = Image.fromarray(COLOURS.repeat(16, 0).repeat(16, 1))
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB", renderingIntent=1))

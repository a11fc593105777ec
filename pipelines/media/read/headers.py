"""Reads facts out of what ffmpeg says about a file, and out of the few headers that it keeps to itself."""

from __future__ import annotations

import re
import struct
from pathlib import Path

PLACEHOLDER_BYTES = 1 << 28
"""A WAV header's size from which on it is a placeholder: far more than the longest recording that is taken."""

MP3_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MP3_LOW_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MP3_BYTES = 32 << 20
"""More than the longest recording that is taken has at the highest rate."""


def stream_lines(messages: str, kind: str) -> list[str]:
    """Return the input's stream lines of a kind; texts inside a file are indented deeper and cannot imitate them."""
    heard = messages.partition("Stream mapping:")[0].partition("Output #0")[0]
    found = re.findall(rf"^ {{2,4}}Stream #0:\d+.*?: {kind}: .*$", heard, re.MULTILINE)
    return [line for line in found if "(attached pic)" not in line]


def header_rate(line: str) -> float:
    """Return the frame rate of a video's stream line; 25 when it names none."""
    match = re.search(r"([\d.]+)(k?) (?:fps|tbr)", line)
    rate = float(match.group(1)) * (1000 if match.group(2) else 1) if match else 0.0
    return rate if 0 < rate <= 1000 else 25.0


def header_duration(messages: str) -> float:
    """Return the length in seconds that the container states; 0 when it states none."""
    match = re.search(r"^  Duration: (\d+):(\d+):([\d.]+)", messages, re.MULTILINE)
    return int(match.group(1)) * 3600 + int(match.group(2)) * 60 + float(match.group(3)) if match else 0.0


def wave_claim(path: Path) -> float:
    """Return the seconds that a WAV header promises (ffmpeg tells only what is there); 0 for other files."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    at, bytes_per_s = 12, 0
    while head[:4] == b"RIFF" and at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        if name == b"fmt " and at + 20 <= len(head):
            bytes_per_s = struct.unpack_from("<I", head, at + 16)[0]
        if name == b"data":
            # Who writes before the end is known puts in nothing, everything, or a round number.
            return size / bytes_per_s if bytes_per_s and 0 < size < PLACEHOLDER_BYTES else 0.0
        at += 8 + size + size % 2
    return 0.0


def mp3_ends_whole(path: Path) -> bool:
    """Say whether an MP3's last frame is whole: an editor's old header claims more than there is, a transfer cuts."""
    data = path.read_bytes()[:MP3_BYTES]
    at = 0
    if data[:3] == b"ID3" and len(data) > 10:
        at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    while at + 4 <= len(data) and data[at : at + 3] != b"TAG" and data[at : at + 8] != b"APETAGEX":
        size = mp3_frame_bytes(data[at : at + 4])
        if not size or at + size > len(data):
            return False
        at += size
    return at == len(data) or data[at : at + 1] in (b"T", b"A")


def mp3_frame_bytes(head: bytes) -> int:
    """Return the length of a layer III frame; 0 when these four bytes begin none."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or layer != 1 or version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    first = version == 3
    kilobits = (MP3_KILOBITS if first else MP3_LOW_KILOBITS)[bitrate - 1]
    hertz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if first else 72) * kilobits * 1000 // hertz + (head[2] >> 1 & 1)


def pixel_format(line: str) -> str:
    """Return ffmpeg's name of the pixel format of a video's stream line."""
    match = re.search(r"Video: [^,]*(?:\([^)]*\)[^,]*)*, ([a-z0-9_]+)", line)
    return match.group(1) if match else ""


def pixel_aspect(text: str) -> float:
    """Return width / height of one pixel from a listing\'s \'sar\'; 1 when it is unknown."""
    wide, _, high = text.partition("/")
    return int(wide) / int(high) if wide.isdigit() and high.isdigit() and int(wide) and int(high) else 1.0

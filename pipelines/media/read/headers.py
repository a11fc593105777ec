"""Reads facts out of what ffmpeg says about a file, and out of the few headers that it keeps to itself."""

from __future__ import annotations

import re
import struct
from pathlib import Path

PLACEHOLDER_BYTES = 1 << 28
"""A WAV header's size from which on it is a placeholder: far more than the longest recording that is taken."""


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


def pixel_format(line: str) -> str:
    """Return ffmpeg's name of the pixel format of a video's stream line."""
    match = re.search(r"Video: [^,]*(?:\([^)]*\)[^,]*)*, ([a-z0-9_]+)", line)
    return match.group(1) if match else ""


def pixel_aspect(text: str) -> float:
    """Return width / height of one pixel from a listing\'s \'sar\'; 1 when it is unknown."""
    wide, _, high = text.partition("/")
    return int(wide) / int(high) if wide.isdigit() and high.isdigit() and int(wide) and int(high) else 1.0

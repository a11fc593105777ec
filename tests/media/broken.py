"""Makes broken and hostile media files, the same ones every time; used through functions, the form and the shell."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tests.media.films import ffmpeg, h264, moving, tone

Kind = Literal["image", "video", "audio"]
PICTURES = ("png", "jpg", "webp", "bmp", "tiff", "gif", "ppm")
FILMS = ("mp4", "mov", "mkv", "webm", "avi")
SOUNDS = ("wav", "mp3", "flac", "ogg", "m4a")


@dataclass(frozen=True)
class Broken:
    """One broken file; some damage leaves a file that can still be read, then `refused` is False."""

    path: Path
    kind: Kind
    refused: bool


def make_whole(folder: Path) -> dict[str, bytes]:
    """Return small whole files by ending, the stock that is then broken."""
    stock: dict[str, bytes] = {}
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    for ending in PICTURES:
        buffer = io.BytesIO()
        name = {"jpg": "JPEG"}.get(ending, ending.upper())
        Image.fromarray(pixels).save(buffer, name, **({"lossless": True} if ending == "webp" else {}))
        stock[ending] = buffer.getvalue()
    film = h264(folder / "whole.mp4", moving(40, 48, 64))
    codecs = {"webm": ("-c:v", "libvpx", "-deadline", "realtime"), "avi": ("-c:v", "mpeg4")}
    for ending in FILMS:
        path = folder / f"film.{ending}"
        ffmpeg("-i", film, *codecs.get(ending, ("-c", "copy")), path)
        stock[ending] = path.read_bytes()
    for ending in SOUNDS:
        stock[ending] = tone(folder / f"tone.{ending}", 2, rate=16000).read_bytes()
    return stock


def kind_of(ending: str) -> Kind:
    """Tell what a file of this ending is offered as."""
    return "image" if ending in PICTURES else "video" if ending in FILMS else "audio"


def broken_files(folder: Path) -> list[Broken]:
    """Write over 200 broken files into `folder`."""
    workshop = folder / "workshop"
    workshop.mkdir()
    stock = make_whole(workshop)
    made: list[Broken] = []
    for source in (_truncated, _without_head, _wrong_content, _flipped, _lying, _special):
        for name, kind, content, refused in source(stock):
            path = folder / f"{len(made):03d}-{name}"
            if callable(content):
                content(path)
            else:
                path.write_bytes(content)
            made.append(Broken(path, kind, refused))
    return made


Item = tuple[str, Kind, bytes | Callable[[Path], None], bool]


def _truncated(stock: dict[str, bytes]) -> Iterator[Item]:
    """Files cut off: what lacks its index, its pixels or its promised length is refused."""
    readable = {"mkv", "webm", "avi", "ogg"}
    for ending, data in stock.items():
        for percent in (3, 10, 25, 40, 55, 70, 80):
            cut = data[: max(4, len(data) * percent // 100)]
            yield f"cut-{percent}.{ending}", kind_of(ending), cut, ending not in readable


def _without_head(stock: dict[str, bytes]) -> Iterator[Item]:
    """Files whose first bytes are gone, zero or another format's; raw sound and film streams may find their feet."""
    forgiving = {"mp3", "mkv", "webm", "ogg", "avi", "flac"}
    for ending, data in stock.items():
        for name, head in (("zero", bytes(64)), ("gone", b""), ("ones", b"\xff" * 64)):
            yield f"{name}-head.{ending}", kind_of(ending), head + data[64:], ending not in forgiving


def _wrong_content(_: dict[str, bytes]) -> Iterator[Item]:
    """Other things under the name of a media file."""
    things = {
        "text": b"hello, I am a text\n" * 40,
        "html": b"<!DOCTYPE html><html><body>404</body></html>" * 9,
        "noise": random.Random(1).randbytes(3000),
        "zip": b"PK\x03\x04" + bytes(400),
        "pdf": b"%PDF-1.7\n" + bytes(300),
        "script": b"#!/bin/sh\necho pwned > /tmp/pwned\n",
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "zeros": bytes(4096),
    }
    for name, content in things.items():
        for ending in ("png", "mp4", "mp3"):
            yield f"{name}.{ending}", kind_of(ending), content, True


def _flipped(stock: dict[str, bytes]) -> Iterator[Item]:
    """Files with single wrong bits; many decoders shrug them off."""
    for ending, data in stock.items():
        for seed in range(4):
            dice = random.Random(f"{ending}{seed}")
            damaged = bytearray(data)
            for _ in range(2 + 6 * seed):
                damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
            yield f"flipped-{seed}.{ending}", kind_of(ending), bytes(damaged), False


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of a claimed size around any compressed bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _lying(stock: dict[str, bytes]) -> Iterator[Item]:
    """Headers that claim what is not there: sizes, counts, lengths."""
    squeezer = zlib.compressobj(1)
    bomb = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(300)) + squeezer.flush()
    yield "bomb-20000.png", "image", png(20000, 20000, bomb), True
    yield "bomb-100-megapixels.png", "image", png(9999, 9999, bomb), False
    for width, height in ((60000, 60000), (2**31 - 1, 2**31 - 1), (0, 10), (9000, 9000), (100000, 20), (1, 1)):
        yield f"claims-{width}x{height}.png", "image", png(width, height, zlib.compress(bytes(99))), True
    bitmap = bytearray(stock["bmp"])
    bitmap[18:26] = struct.pack("<ii", 30000, 30000)
    yield "claims-30000.bmp", "image", bytes(bitmap), True
    animation = bytearray(stock["gif"])
    animation[6:10] = struct.pack("<HH", 65535, 65535)
    yield "claims-65535.gif", "image", bytes(animation), True
    yield "claims-much.ppm", "image", b"P6 99999 99999 255\n" + bytes(99), True
    recording = bytearray(stock["wav"])
    recording[40:44] = struct.pack("<I", 0x7FFFFFF0)
    yield "claims-2-GiB.wav", "audio", bytes(recording), True
    flac = bytearray(stock["flac"])
    flac[21:26] = b"\x0f\xff\xff\xff\xff"
    yield "claims-many-samples.flac", "audio", bytes(flac), True
    film = stock["mp4"]
    for box in (b"stsz", b"stco", b"stts", b"stsc", b"stsd", b"mdhd", b"trak", b"moov"):
        at = film.find(box)
        lying = film[: at + 8] + struct.pack(">II", 0, 0x7FFFFFFF) + film[at + 16 :]
        yield f"claims-{box.decode()}.mp4", "video", lying, False
    yield "huge-box.mp4", "video", film[:32] + struct.pack(">I4sQ", 1, b"moov", 2**62) + film[48:], True
    deep = b""
    for _ in range(2000):
        deep = struct.pack(">I4s", len(deep) + 8, b"moov") + deep
    yield "deep-boxes.mp4", "video", film[:32] + deep, True


def _special(stock: dict[str, bytes]) -> Iterator[Item]:
    """What is no file, has no end, or ends before it began."""

    def sparse(head: bytes, size: int) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_bytes(head)
            os.truncate(path, size)

        return write

    endings: tuple[tuple[str, Kind], ...] = (("png", "image"), ("mp4", "video"), ("mp3", "audio"))
    for ending, kind in endings:
        yield f"pipe.{ending}", kind, os.mkfifo, True
        yield f"empty.{ending}", kind, b"", True
        yield f"folder.{ending}", kind, Path.mkdir, True
        yield f"endless.{ending}", kind, lambda path: path.symlink_to("/dev/zero"), True
        yield f"random.{ending}", kind, lambda path: path.symlink_to("/dev/urandom"), True
        yield f"dangling.{ending}", kind, lambda path: path.symlink_to("/nowhere/at/all"), True
        yield f"loop.{ending}", kind, lambda path: path.symlink_to(path), True
        yield f"sparse-8-GiB.{ending}", kind, sparse(b"", 8 << 30), True
        yield f"one-byte.{ending}", kind, b"\x00", True
    yield "sparse-film.mp4", "video", sparse(stock["mp4"][:64], 8 << 30), True
    yield "sparse-sound.wav", "audio", sparse(stock["wav"][:1000], 8 << 30), False
    yield "film-as.png", "image", stock["mp4"], True
    yield "picture-as.mp4", "video", stock["png"], True
    yield "picture-as.mp3", "audio", stock["jpg"], True
    yield "sound-as.mp4", "video", stock["mp3"], True
    yield "mute-film-as.mp3", "audio", stock["mp4"], True

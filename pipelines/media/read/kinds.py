"""Names what a file is by its first bytes, for refusals: the ending is only what somebody called it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipelines.front.language import mark, tr

HEAD_BYTES, INDEX_BYTES = 4096, 1 << 20
HOLE_BYTES = 1 << 30
"""An end of so many bytes that was never written is no silence."""
MP4_PROTECTED = (b"encv", b"enca", b"drms", b"drmi")
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROTECTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
"""Objects of a WMV or WMA that say that it is encrypted: Content Encryption, and its extended form."""
OTHER_PICTURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\x0a", mark("a JPEG XL picture")),
    (4, b"JXL \r\n", mark("a JPEG XL picture")),
    (4, b"jP  \r\n", mark("a JPEG 2000 picture")),
    (0, b"\xff\x4f\xff\x51", mark("a JPEG 2000 picture")),
    (0, b"8BPS", mark("a Photoshop document (PSD)")),
    (0, b"gimp xcf", mark("a GIMP file (XCF)")),
    (0, b"v/1\x01", mark("an OpenEXR picture")),
    (0, b"#?RADIANCE", mark("a Radiance HDR picture")),
    (0, b"#?RGBE", mark("a Radiance HDR picture")),
    (0, b"DDS ", mark("a DDS texture")),
    (0, b"qoif", mark("a QOI picture")),
    (0, b"icns", mark("an Apple icon (ICNS)")),
    (0, b"FUJIFILMCCD-RAW", mark("a camera's raw photo")),
    (0, b"IIRO", mark("a camera's raw photo")),
    (0, b"IIRS", mark("a camera's raw photo")),
    (0, b"MMOR", mark("a camera's raw photo")),
    (0, b"IIU\x00", mark("a camera's raw photo")),
    (8, b"CR\x02\x00", mark("a camera's raw photo")),
    (4, b"ftypcrx ", mark("a camera's raw photo")),
    (0, b"%!PS", mark("a PostScript drawing")),
    (0, b"\xc5\xd0\xd3\xc6", mark("a PostScript drawing")),
    (0, b"%PDF-", mark("a PDF document")),
    (0, b"\xd7\xcd\xc6\x9a", mark("a Windows metafile")),
    (30, b"mimetypeapplication/x-krita", mark("a Krita document")),
    (30, b"mimetypeimage/openraster", mark("an OpenRaster document")),
)
"""Pictures of other programs: (offset, bytes, words)."""
READ_PICTURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
)
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
RAW_ENDINGS = (".nef", ".nrw", ".arw", ".sr2", ".dng", ".cr2", ".pef", ".3fr", ".iiq", ".rwl", ".srw", ".erf", ".kdc")
"""Raw photos that look like TIFF, whose first picture is only a thumbnail."""
OTHER_FILES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", mark("a ZIP archive")),
    (0, b"Rar!", mark("a RAR archive")),
    (0, b"7z\xbc\xaf\x27\x1c", mark("a 7z archive")),
    (0, b"\x1f\x8b", mark("a gzip archive")),
    (0, b"\x7fELF", mark("a program")),
    (0, b"#!", mark("a script")),
    (0, b"#EXTM3U", mark("a play list")),
    (0, b"ffconcat", mark("a play list")),
    (0, b"version https://git-lfs", mark("a pointer of Git LFS: fetch the file itself")),
)


def other_picture(path: Path) -> str:
    """Return words for a picture of a kind that is not read, '' for anything else."""
    head = _head(path)
    if path.suffix.lower() in RAW_ENDINGS and head[:2] in (b"II", b"MM"):
        return tr("a camera's raw photo")
    if b"<svg" in head[:1024].lower():
        return tr("an SVG drawing")
    return next((tr(words) for at, magic, words in OTHER_PICTURES if head[at : at + len(magic)] == magic), "")


def read_picture(path: Path) -> str:
    """Return the name of a format that is read, '' for anything else."""
    head = _head(path)
    brands = [head[at : at + 4] for at in (8, 16, 20)] if head[4:8] == b"ftyp" else []
    if any(brand in HEIF_BRANDS + AVIF_BRANDS for brand in brands):
        return "AVIF" if b"avif" in head[:40] or b"avis" in head[:40] else "HEIC"
    return next((name for at, magic, name in READ_PICTURES if head[at : at + len(magic)] == magic), "")


def other_file(path: Path) -> str:
    """Return words for a file that is no medium at all, '' when nothing is known of it."""
    head = _head(path)
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return tr("a web page (HTML): the address led to a page, not to the file")
    known = next((tr(words) for at, magic, words in OTHER_FILES if head[at : at + len(magic)] == magic), "")
    if known:
        return known
    if not head.strip(b"\0"):
        return tr("only zeros: a copy or a transfer that never finished")
    return tr("a text") if _is_text(head) else ""


def is_unfinished(path: Path) -> bool:
    """Say whether the room of a file was taken and its end never written, as transfers do it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= HOLE_BYTES:
            return False
        try:
            os.lseek(file.fileno(), size - HOLE_BYTES, os.SEEK_DATA)
        except OSError as error:
            # No byte from there on was ever written.
            return error.errno == errno.ENXIO
    return False


def is_protected(path: Path) -> bool:
    """Say whether an MP4 or a WMV is encrypted: its index lies at the beginning or at the end."""
    with path.open("rb") as file:
        ends = file.read(INDEX_BYTES)
        size = file.seek(0, 2)
        if ends[4:8] == b"ftyp" and size > 2 * INDEX_BYTES:
            file.seek(size - INDEX_BYTES)
            ends += file.read(INDEX_BYTES)
    if ends[4:8] == b"ftyp":
        return b"sinf" in ends and b"schm" in ends and any(kind in ends for kind in MP4_PROTECTED)
    return ends.startswith(ASF) and any(guid in ends[:65536] for guid in ASF_PROTECTION)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last letter may be cut in two.
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)

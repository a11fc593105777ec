"""The kinds of media that people have, made small: what doc/media.md is measured on."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.media.films import KEEP, LOSSLESS, ffmpeg, film, turn
from tests.media.looks import PATCHES, WIDE, as_dolby_vision, encrypted_asf, fields, tagged
from tests.media.profiles import COLOURS, P3, in_profile, profile

Make = Callable[[Path], Path]
BEEP = "aevalsrc='0.6*sin(2*PI*1000*t)*between(t,1,1.1)':s=48000:d=1.5"
SPEECH = "aevalsrc='0.4*sin(2*PI*220*t)*abs(sin(2*PI*2*t))':s=48000:d=2"
NOTHING = "anullsrc=r=48000:cl=mono:d=2"
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 6, "-preset", "veryfast")
AAC = ("-c:a", "aac")
PALETTE = "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none"


def flashing(fps: float, seconds: float = 1.5, height: int = 64, width: int = 128) -> np.ndarray:
    """Bars of known colours; white all over from 1 to 1.1 s."""
    times = np.arange(round(fps * seconds)) / fps
    frames = np.zeros((len(times), height, width, 3), np.uint8)
    for index, colour in enumerate(PATCHES):
        frames[:, :, index * width // 4 : (index + 1) * width // 4] = colour
    frames[(times > 0.9999) & (times < 1.1)] = 255
    return frames


def video(name: str, fps: float, *options: object, late: float = 0.0, **size: int) -> Make:
    """A film whose flash stands with its beep; `late` leaves out the first seconds of the sound."""

    def make(folder: Path) -> Path:
        silent = film(folder / "silent.mkv", flashing(fps, **size), fps, *LOSSLESS)
        sound = ("-itsoffset", late, "-ss", late, "-f", "lavfi", "-i", BEEP)
        tags = () if "-vf" in options else ("-vf", "scale=out_color_matrix=smpte170m:out_range=tv,format=yuv420p")
        ffmpeg("-i", silent, *sound, *tags, *(options or (*X264, *AAC)), folder / name)
        return folder / name

    return make


def uneven(folder: Path) -> Path:
    """A screen recording: a picture only when something changes."""
    whole = video("whole.mp4", 24)(folder)
    dropped = ("-vf", "mpdecimate=max=0", *KEEP)
    ffmpeg("-i", whole, *dropped, *X264, "-c:a", "copy", folder / "screen.mp4")
    return folder / "screen.mp4"


def cut(folder: Path) -> Path:
    """A film cut without encoding: an edit list hides what comes before."""
    ffmpeg("-i", video("whole.mp4", 24)(folder), *X264, "-bf", 0, "-g", 240, "-sc_threshold", 0, folder / "long.mp4")
    ffmpeg("-ss", 0.5, "-i", folder / "long.mp4", "-c", "copy", folder / "cut.mp4")
    return folder / "cut.mp4"


def turned(folder: Path) -> Path:
    """A telephone held upright."""
    return turn(video("flat.mp4", 24)(folder), folder / "turned.mp4", 90)


def mapped(name: str) -> Make:
    """Bars as a camera of these colours films them."""
    return lambda folder: tagged(folder / "a.mov", *WIDE[name], full="full" in name)


def untagged(height: int, width: int, matrix: str) -> Make:
    """Bars without a word about their colours."""
    to = ("-vf", f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p")
    bare = ("-bsf:v", "h264_metadata=matrix_coefficients=2:colour_primaries=2:transfer_characteristics=2")
    return video("a.mp4", 24, *to, *X264, *bare, *AAC, height=height, width=width)


def interlaced(order: str, name: str, *coder: object) -> Make:
    """A bar that moves between the fields."""
    return lambda folder: fields(folder / name, order, *coder)


def still(folder: Path) -> Path:
    """One picture, shown for three seconds."""
    return film(folder / "slide.mp4", flashing(1 / 3, 3), 1 / 3, *X264)


VIDEOS: dict[str, Make] = {
    "H.264, 24 a second (mp4)": video("a.mp4", 24),
    "H.264 with B-frames, 30 a second (mp4)": video("a.mp4", 30, *X264, "-bf", 3, *AAC),
    "H.264, 60 a second (mov)": video("a.mov", 60, *X264, *AAC),
    "H.264, 120 a second (mp4)": video("a.mp4", 120, *X264, *AAC),
    "H.264, 23.976 a second (mkv)": video("a.mkv", 24000 / 1001, *X264, *AAC),
    "H.264, 25 a second (ts)": video("a.ts", 25, *X264, "-c:a", "mp2"),
    "screen recording, variable rate (mp4)": uneven,
    "cut without encoding, edit list (mp4)": cut,
    "sound that begins late (mp4)": video("a.mp4", 24, *X264, *AAC, late=0.4),
    "sound that begins late (mkv)": video("a.mkv", 24, *X264, "-c:a", "libopus", late=0.4),
    "VP8 and Opus (webm)": video("a.webm", 24, "-c:v", "libvpx", "-b:v", "4M", "-deadline", "good", "-c:a", "libopus"),
    "MPEG-4 and PCM (avi)": video("a.avi", 24, "-c:v", "mpeg4", "-q:v", 1, "-c:a", "pcm_s16le"),
    "animation (gif)": lambda folder: film(folder / "a.gif", flashing(25), 25, "-vf", PALETTE),
    "one picture for 3 s (mp4)": still,
    "telephone held upright (mp4)": turned,
    "HLG, BT.2020, 10 bit (mov)": mapped("HLG"),
    "PQ, BT.2020, 10 bit (mov)": mapped("PQ"),
    "Display P3 (mov)": mapped("Display P3"),
    "BT.2020 without HDR (mov)": mapped("BT.2020 without HDR"),
    "without a tag, 1280 wide (mp4)": untagged(720, 1280, "bt709"),
    "without a tag, 320 wide (mp4)": untagged(240, 320, "smpte170m"),
    "interlaced, top field first (mpg)": interlaced(
        "tff", "a.mpg", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", 2
    ),
    "interlaced, bottom field first, not marked (mkv)": interlaced("bff", "a.mkv", "-c:v", "ffv1"),
    "H.265, each picture stored as two fields (mkv)": interlaced(
        "tff", "a.mkv", "-c:v", "libx265", "-x265-params", "interlace=tff:log-level=error"
    ),
    "Dolby Vision, profile 8.4 (mp4)": lambda folder: as_dolby_vision(video("a.mp4", 24)(folder), 8, 4),
    "Dolby Vision, profile 5 (mp4)": lambda folder: as_dolby_vision(video("a.mp4", 24)(folder), 5, 0),
    "encrypted (wmv)": lambda folder: encrypted_asf(folder / "a.wmv", "old"),
}


def sound(name: str, *options: object, source: str = SPEECH) -> Make:
    """A stand-in for a voice: a tone that swells like syllables."""

    def make(folder: Path) -> Path:
        ffmpeg("-f", "lavfi", "-i", source, *options, folder / name)
        return folder / name

    return make


def tracks(name: str, *sources: str, options: tuple[object, ...] = ()) -> Make:
    """Several tracks in one file."""

    def make(folder: Path) -> Path:
        inputs = [word for one in sources for word in ("-f", "lavfi", "-i", one)]
        ffmpeg(*inputs, *(word for n in range(len(sources)) for word in ("-map", n)), *options, folder / name)
        return folder / name

    return make


def late(folder: Path) -> Path:
    """An empty edit of a second before the voice."""
    voice = sound("voice.wav")(folder)
    ffmpeg("-itsoffset", 1, "-i", voice, *AAC, folder / "late.m4a")
    return folder / "late.m4a"


def streamed(folder: Path) -> Path:
    """Written by a program that did not know the length yet."""
    path = sound("streamed.wav")(folder)
    raw = path.read_bytes()
    at = raw.index(b"data") + 4
    path.write_bytes(raw[:at] + struct.pack("<I", 2_000_000_000) + raw[at + 4 :])
    return path


HEIC = Path(__file__).parent / "heic"
HOLE = ("-af", "asetpts='if(lt(T,0.8),PTS,PTS+1/TB)'")
SOUNDS: dict[str, Make] = {
    "mono (wav)": sound("a.wav"),
    "stereo (flac)": sound("a.flac", "-ac", 2),
    "AAC (m4a)": sound("a.m4a", *AAC),
    "Opus (ogg)": sound("a.opus"),
    "MP3 without its length (mp3)": sound("a.mp3", "-write_xing", 0),
    "in the left channel only (wav)": sound("a.wav", "-af", "pan=stereo|c0=c0|c1=0*c0"),
    "opposite channels (wav)": sound("a.wav", "-af", "pan=stereo|c0=c0|c1=-1*c0"),
    "5.1, in the centre (wav)": sound("a.wav", "-af", "pan=5.1|c0=0*c0|c1=0*c0|c2=c0|c3=0*c0|c4=0*c0|c5=0*c0"),
    "first of two tracks silent (mkv)": tracks("a.mkv", NOTHING, SPEECH),
    "second of two tracks is the default (mkv)": tracks(
        "a.mkv", "sine=d=1", SPEECH, options=("-disposition:a:0", 0, "-disposition:a:1", "default")
    ),
    "hole of 1 s in its clock (webm)": sound("a.webm", *HOLE, "-c:a", "libopus"),
    "begins 1 s late (m4a)": late,
    "length of hours in its header (wav)": streamed,
    "silence (wav)": sound("a.wav", source=NOTHING),
}


def picture(name: str, mode: str = "RGB", **options: object) -> Make:
    """The colours as a picture."""

    def make(folder: Path) -> Path:
        pixels = Image.fromarray(COLOURS.repeat(16, 0).repeat(16, 1))
        if mode == "RGBA":
            pixels.putalpha(128)
        (pixels.quantize(16) if mode == "P" else pixels.convert(mode)).save(folder / name, **options)
        return folder / name

    return make


def display_p3(folder: Path) -> Path:
    """What a telephone saves."""
    Image.fromarray(in_profile(**P3)).save(folder / "a.png", icc_profile=profile(**P3))
    return folder / "a.png"


def deep(name: str, scale: float, kind: type) -> Make:
    """A grey ramp of more than 8 bits."""

    def make(folder: Path) -> Path:
        Image.fromarray((np.linspace(0, 1, 256)[None].repeat(16, 0) * scale).astype(kind)).save(folder / name)
        return folder / name

    return make


def hdr_png(folder: Path) -> Path:
    """A PNG that says that its numbers are PQ."""
    path = picture("a.png")(folder)
    chunk, data = b"cICP\x09\x10\x00\x01", path.read_bytes()
    path.write_bytes(data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:])
    return path


def written(name: str, content: bytes) -> Make:
    """Only the head of a file: enough to refuse it."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def copied(name: str) -> Make:
    """A photo that needs an encoder which the program does not bring."""
    return lambda folder: folder.joinpath(name).write_bytes((HEIC / name).read_bytes()) and folder / name


PICTURES: dict[str, Make] = {
    "PNG": picture("a.png"),
    "JPEG": picture("a.jpg", quality=98, subsampling=0),
    "WebP": picture("a.webp", lossless=True),
    "Display P3 (PNG)": display_p3,
    "palette (GIF)": picture("a.gif", "P"),
    "CMYK without a profile (JPEG)": picture("a.jpg", "CMYK", quality=98),
    "transparent (PNG)": picture("a.png", "RGBA"),
    "16-bit grey (PNG)": deep("a.png", 65535, np.uint16),
    "float grey (TIFF)": deep("a.tif", 1, np.float32),
    "HDR (PNG)": hdr_png,
    "HEIC": copied("plain.heic"),
    "HEIC, Display P3": copied("display-p3.heic"),
    "HEIC, HLG": copied("hlg.heic"),
    "HEIC of which only the head is there": written("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)),
    "JPEG XL": written("a.jxl", b"\xff\x0a" + bytes(400)),
    "camera raw (NEF)": written("a.nef", b"MM\0*\0\0\0\x08" + bytes(400)),
    "a web page under a picture's name": written("a.jpg", b"<!DOCTYPE html><html><body>404</body></html>"),
}

"""Brings a video's stored pictures to what a screen shows: whole fields, the right matrix, ordinary range and colours.

Knows nothing about time: it only names ffmpeg filters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.language import tr
from pipelines.media.ffmpeg import run, source, traits
from pipelines.media.files import per_file, shown

HDR = ("smpte2084", "arib-std-b67")
"""Transfer functions of high dynamic range: PQ and HLG."""
CURVES = (*HDR, "linear", "log100", "log316")
"""Transfer functions that look wrong when they are taken for an ordinary one."""
WIDE = ("bt2020", "smpte428", "smpte431", "smpte432", "film")
"""Primaries far enough from BT.709 to look dull when they are taken for it."""
MATRICES = ("bt2020c", "ycgco", "ictcp", "chroma-derived-nc", "chroma-derived-c", "smpte2085")
"""Matrices that ffmpeg's own scaler does not know."""
SD_WIDTH, SD_HEIGHT = 1280, 576
"""Below this width and up to this height a video without a tag is taken for BT.601, as players do."""
DIFFUSE_WHITE_NITS, LEAST_WHITE_NITS, PEAK_NITS = 203.0, 100.0, 1000.0
"""Where graphics white stands in HDR (ITU-R BT.2408), the least that counts as white, and what is mapped to the top."""
KNEE = 0.75
"""Linear light up to which tones stay as they are; what is brighter is rolled off."""
MEASURED_FRAMES, MEASURE_LIMIT_S = 48, 20.0
INTERLACED_HEIGHTS = (480, 486, 512, 576, 608, 1080, 1088)
MAX_COMBED_FPS = 31.0
COMBED_SHARE = 0.6
"""Part of the pictures that must be seen as combed before an unmarked video counts as interlaced."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a video's pictures are stored, in ffmpeg's words; 'unknown' where neither container nor codec says."""

    matrix: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"
    limited_range: bool = True
    is_yuv: bool = True
    fields: str = ""
    """'' progressive, or nothing said; 'flagged' picture by picture; 'top' or 'bottom' first, says the container."""
    is_hd: bool = False
    """Larger than the television of BT.601."""
    may_be_combed: bool = False
    """Of a size and a rate in which interlaced video exists."""
    dolby_vision_only: bool = False
    """A Dolby Vision stream without a layer that other players understand."""

    @property
    def is_hdr(self) -> bool:
        """True for PQ and HLG."""
        return self.transfer in HDR

    @property
    def needs_zscale(self) -> bool:
        """True when ffmpeg's own scaler would show wrong colours."""
        return self.transfer in CURVES or self.primaries in WIDE or self.matrix in MATRICES


def look_of(messages: str, stream_line: str, size: tuple[int, int], pixel_format: str, fps: float) -> Look:
    """Read a stream's look from the words of 'showinfo' about a picture and from the stream's own line."""

    def said(name: str) -> str:
        found = re.search(rf"{name}:([a-z0-9.-]+)", messages)
        return found.group(1) if found and found.group(1) not in ("nil", "reserved") else "unknown"

    order = re.search(r"(top|bottom) (?:coded )?first", stream_line)
    flagged = re.search(r" i:[TB] ", messages)
    return Look(
        matrix=said("color_space"),
        primaries=said("color_primaries"),
        transfer=said("color_trc"),
        limited_range=said("color_range") != "pc" and not pixel_format.startswith("yuvj"),
        is_yuv=re.match(r"(yuv|nv|p0|p2|p4|uyvy|yuyv|yvyu|ayuv|vuy|xv|y2)", pixel_format) is not None,
        fields="flagged" if flagged else order.group(1) if order else "",
        is_hd=max(size) >= SD_WIDTH or min(size) > SD_HEIGHT,
        may_be_combed=size[1] in INTERLACED_HEIGHTS and fps < MAX_COMBED_FPS,
        # Whatever its profile: of all kinds it is this that has no layer for other players.
        dolby_vision_only=re.search(r"DOVI configuration record:.*compatibility id: 0\b", messages) is not None,
    )


def whole_pictures(path: Path, look: Look) -> str:
    """Return the filter that makes one whole picture of a stored one's two fields; '' for progressive video."""
    if look.fields == "flagged":
        return "bwdif=mode=send_frame:parity=auto:deint=interlaced"
    order = combed(path) if look.fields or look.may_be_combed else ""
    # Containers disagree on how they name the order of fields: what is seen comes first.
    order = order or {"top": "tff", "bottom": "bff"}.get(look.fields, "")
    return f"bwdif=mode=send_frame:parity={order}:deint=all" if order else ""


def to_rgb(path: Path, look: Look, width: int, height: int, flags: str) -> str:
    """Return the filters that bring a stored picture to RGB of this size, one for one."""
    scale = f"scale={width}:{height}:flags={flags}"
    if look.needs_zscale and traits().has_zscale:
        full = "yuv444p12le" if look.is_yuv else "gbrp12le"
        return f"{scale},format={full},{_convert(path, look)},format=rgb24,setsar=1"
    if look.is_yuv and look.matrix == "unknown" and look.is_hd:
        scale += ":in_color_matrix=bt709"
    return f"{scale},format=rgb24,setsar=1"


def colour_warning(path: Path, look: Look) -> str:
    """Return '' or what a person sees otherwise than the model."""
    name = shown(path)
    if look.dolby_vision_only:
        return tr(
            "{name}: Dolby Vision without an ordinary layer: its colours are wrong; convert the video to SDR or HLG",
            name=name,
        )
    if look.needs_zscale and not traits().has_zscale:
        ffmpeg = traits().path
        if look.is_hdr:
            return tr(
                "{name}: an HDR video is read without tone mapping, so it looks dull: {ffmpeg} has no zscale filter",
                name=name,
                ffmpeg=ffmpeg,
            )
        return tr(
            "{name}: its wide colours are read as ordinary ones, so it looks dull: {ffmpeg} has no zscale filter",
            name=name,
            ffmpeg=ffmpeg,
        )
    return ""


@per_file
def combed(path: Path) -> str:
    """Return 'tff' or 'bff' when the end of a video that nobody marked is combed like interlaced pictures, else ''."""
    look = source(path, sseof=-4).output(
        "pipe:1", map="0:V:0", vf="crop=min(iw\\,512):ih,idet", f="null", **{"frames:v": 100}
    )
    done = run(look, time_limit_s=MEASURE_LIMIT_S, check=False)
    found = re.findall(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+) Undet", done.messages)
    if not found:
        return ""
    # A graph that was set up twice reports twice.
    top, bottom, progressive = map(int, found[-1])
    if top + bottom < 4 or max(top, bottom) < COMBED_SHARE * (top + bottom + progressive):
        return ""
    return "tff" if top > bottom else "bff"


@per_file
def brightest(path: Path) -> float:
    """Return the brightest luma of some key frames, 0 to 1 of the limited range; 1 when none can be read."""
    small = "scale=64:36:flags=area,format=yuv444p10le,signalstats,metadata=print:key=lavfi.signalstats.YMAX:file=-"
    measured = source(path, skip_frame="nokey").output(
        "-", map="0:V:0", vf=small, f="null", **{"frames:v": MEASURED_FRAMES}
    )
    done = run(measured, time_limit_s=MEASURE_LIMIT_S, check=False)
    codes = [float(code) for code in re.findall(rb"YMAX=([\d.]+)", done.stdout)]
    return (max(codes) - 64) / 876 if codes else 1.0


def white_nits(path: Path, look: Look) -> float:
    """Return the light that is shown as white: the brightest of an HDR video, within the limits above."""
    nits = _pq_nits(brightest(path)) if look.transfer == "smpte2084" else _hlg_nits(brightest(path))
    return min(DIFFUSE_WHITE_NITS, max(LEAST_WHITE_NITS, nits))


def _convert(path: Path, look: Look) -> str:
    primaries = look.primaries if look.primaries != "unknown" else "bt2020" if look.is_hdr else "bt709"
    matrix = look.matrix if look.matrix != "unknown" else "bt2020nc" if primaries == "bt2020" else "bt709"
    transfer = look.transfer if look.transfer in CURVES else "bt709"
    light = f"min={matrix if look.is_yuv else 'gbr'}:pin={primaries}:tin={transfer}"
    light += f":rin={'limited' if look.limited_range and look.is_yuv else 'full'}"
    tones = ""
    if look.is_hdr:
        white = white_nits(path, look)
        light += f":npl={white:.0f}"
        tones = f"tonemap=mobius:param={KNEE}:peak={PEAK_NITS / white:.3f}:desat=0,"
    return f"zscale={light}:t=linear,format=gbrpf32le,zscale=p=bt709,{tones}zscale=t=bt709:r=full,format=gbrp"


def _pq_nits(signal: float) -> float:
    """SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = max(0.0, signal) ** (1 / m2)
    return 10000.0 * float((max(power - c1, 0.0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg_nits(signal: float) -> float:
    """ITU-R BT.2100, for a screen of 1000 nits."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal * signal / 3 if signal <= 0.5 else (2.718281828459045 ** ((signal - c) / a) + b) / 12
    return 1000.0 * float(max(0.0, scene) ** 1.2)

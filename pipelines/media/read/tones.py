"""Brings a decoded picture to what a screen shows: 8 bits a channel, sRGB; says what could only be guessed."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pipelines.front.language import tr

DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of more than 8 bits, which Pillow would clip."""
INTEGER_TOPS = (255.0, 65535.0, 2.0**31 - 1, 2.0**32 - 1)
FLOAT_TOPS = (1.0, 255.0, 65535.0)
SAME = 2
"""A profile that moves no colour by more than this many steps of 255 is sRGB under another name."""
SCREEN_GAMMA, GAMMA_ERROR, CHROMATICITY_ERROR = 1 / 2.2, 0.02, 0.02
SRGB_RED_GREEN = (0.64, 0.33, 0.30, 0.60)
WHITE_IS_ZERO, PHOTOMETRIC = 0, 262
HDR_CODES, WIDE_CODES = (16, 18), (9, 11, 12)
"""Transfer functions and primaries in the numbers of ITU-T H.273: PQ, HLG; BT.2020, DCI-P3, Display P3."""


def to_srgb(image: Image.Image, head: bytes = b"") -> tuple[Image.Image, str]:
    """Return a loaded picture in RGB, and '' or what is uncertain about its colours; alpha is dropped.

    `head` is the beginning of its file, for what Pillow does not tell.
    """
    note = ""
    profile = image.info.get("icc_profile")
    if image.mode in DEEP:
        image, note = _eight_bits(image)
    if profile or image.mode == "LAB":
        mapped = _mapped(image, profile)
        if mapped is not None:
            return mapped, note
        note = note or tr("its colour profile cannot be read: its colours are taken as they are")
    elif image.mode == "CMYK":
        note = note or tr("CMYK without a profile: its colours are a guess, convert it to sRGB yourself")
    else:
        note = note or _coded(image, head)
    plain = image if image.mode == "RGB" else image.convert("RGB")
    gamma = image.info.get("gamma")
    if gamma and not profile and "srgb" not in image.info and abs(gamma - SCREEN_GAMMA) > GAMMA_ERROR:
        curve = [round(255 * (step / 255) ** (SCREEN_GAMMA / gamma)) for step in range(256)]
        plain = plain.point(curve * 3)
    return plain, note


def _eight_bits(image: Image.Image) -> tuple[Image.Image, str]:
    """Scale deep grey to 8 bits; where no format says what white is, the values themselves have to."""
    values = np.asarray(image)
    note = ""
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:
        tops, most = (
            (FLOAT_TOPS if image.mode == "F" else INTEGER_TOPS),
            float(values.max(initial=0, where=np.isfinite(values))),
        )
        top = next((top for top in tops if most <= top), most)
        if top != tops[0] and not (image.format == "PPM" and top == 65535.0):
            note = tr("its values go up to {most:g}: {top:g} is taken for white", most=most, top=top)
    grey = np.empty(values.shape, np.uint8)
    # Row by row: a large picture in double precision would take gigabytes.
    for row, stored in zip(grey, values, strict=True):
        finite = np.nan_to_num(stored.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        row[:] = np.clip(np.rint(finite / top * 255), 0, 255)
    tags = getattr(image, "tag_v2", None)
    if tags is not None and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(grey), note


def _mapped(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Map a picture from its profile to sRGB; None when the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        space = source.profile.xcolor_space.strip()
        modes = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB", "LAB": "LAB"}
        mode = modes[space]
        if mode in ("CMYK", "LAB") and image.mode != mode:
            return None
        plain = image if image.mode == mode else image.convert(mode)
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", intent)
        if mode in ("RGB", "L"):
            sample = Image.fromarray(_sample(mode))
            moved = np.asarray(ImageCms.applyTransform(sample, transform)).astype(int)
            if np.abs(moved - np.asarray(sample.convert("RGB"))).max() <= SAME:
                return image if image.mode == "RGB" else image.convert("RGB")
        mapped: Image.Image | None = ImageCms.applyTransform(plain, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, TypeError):
        return None
    return mapped


def _sample(mode: str) -> NDArray[np.uint8]:
    """Colours that a profile would move if it were no sRGB."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    if mode == "L":
        return steps[None]
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)


def _coded(image: Image.Image, head: bytes) -> str:
    """Say which colours a picture without a profile has by its other marks."""
    for mark_, width in ((b"cICP", 1), (b"colrnclx", 2)):
        at = head.find(mark_)
        if at >= 0 and len(head) > at + len(mark_) + 2 * width:
            codes = head[at + len(mark_) :]
            primaries, transfer = (int.from_bytes(codes[n * width : (n + 1) * width], "big") for n in (0, 1))
            if transfer in HDR_CODES:
                return tr("an HDR picture, read without tone mapping: save it as SDR")
            if primaries in WIDE_CODES:
                return tr("its wide colours are read as sRGB, so it looks dull: save it as sRGB")
    points = image.info.get("chromaticity")
    off = np.abs(np.subtract(points[2:6], SRGB_RED_GREEN)).max() if points and "srgb" not in image.info else 0.0
    if off > CHROMATICITY_ERROR:
        return tr("its wide colours are read as sRGB, so it looks dull: save it as sRGB")
    return ""


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

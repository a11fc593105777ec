"""Reads reference pictures the way the models expect them; knows nothing about tensors."""

from __future__ import annotations

import struct
import warnings
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from pipelines.front.errors import MediaError
from pipelines.front.language import mark, tr
from pipelines.media.files import regular, shown
from pipelines.media.read.kinds import RAW_ENDINGS, other_file, other_picture, read_picture
from pipelines.media.read.tones import to_srgb

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "HEIF", "ICO", "TGA")
"""Read by Pillow, HEIF (a telephone's HEIC) by libheif; formats that start another program (EPS) are left out."""
MAX_PIXELS = 100_000_000
HEAD_BYTES = 65536
DNG_VERSION = 50706
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> how to set it upright."""
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on broken files, depending on which byte is wrong."""

# Pillow's own warnings would be written over the terminal; size and transparency are judged below.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", message="Palette images with Transparency", category=UserWarning)


def open_image(path: str | Path) -> Image.Image:
    """Open a picture without decoding it; MediaError when it is none or has over 100 megapixels."""
    regular(path)
    try:
        image = Image.open(path, formats=_formats())
    except Image.DecompressionBombError:
        raise MediaError(_too_large(path)) from None
    except UNREADABLE:
        raise MediaError(_not_read(Path(path))) from None
    if DNG_VERSION in getattr(image, "tag_v2", {}) or Path(path).suffix.lower() in RAW_ENDINGS:
        image.close()
        raise MediaError(_convert(path, tr("a camera's raw photo")))
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise MediaError(_too_large(path, f" ({image.width}x{image.height})"))
    return image


def load_image(path: str | Path) -> Image.Image:
    """Return the first frame upright (EXIF applied) in 8-bit sRGB; alpha is dropped, not blended."""
    return _loaded(path)[0]


def colour_note(path: str | Path) -> str:
    """Return '' or what is uncertain about a picture's colours; MediaError as `load_image`."""
    note = _loaded(path)[1]
    return f"{shown(path)}: {note}" if note else ""


def _loaded(path: str | Path) -> tuple[Image.Image, str]:
    with open_image(path) as image:
        try:
            image.load()
            with Path(path).open("rb") as file:
                head = file.read(HEAD_BYTES)
            rgb, note = to_srgb(image, head)
            return _upright(rgb, image), note
        except UNREADABLE as error:
            raise MediaError(
                tr("{name}: the picture is damaged or cut off ({reason})", name=shown(path), reason=reason_for(error))
            ) from None


def transparency_warning(path: str | Path) -> str:
    """Return '' for an opaque picture, else what happens to its transparent parts; MediaError as `load_image`."""
    with open_image(path) as image:
        try:
            transparent = image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255
        except UNREADABLE as error:
            raise MediaError(
                tr("{name}: the picture is damaged or cut off ({reason})", name=shown(path), reason=reason_for(error))
            ) from None
    if not transparent:
        return ""
    return tr(
        "{name}: transparency was dropped, so the colours stored beneath it are seen: fill them yourself",
        name=shown(path),
    )


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) after the EXIF orientation."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except UNREADABLE:
        orientation = 1
    # Pillow turns TIFF by itself and reports the turned size.
    turned = orientation in (5, 6, 7, 8) and image.format != "TIFF"
    return (image.height, image.width) if turned else (image.width, image.height)


def letterbox(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Fit a picture into height x width on white, Lanczos; returns [height, width, 3].

    The order of the float operations and the truncation are the model's own. MediaError when a side becomes 0.
    """
    ratio = image.width / image.height
    if ratio > width / height:
        new_width, new_height = width, int(width / ratio)
    else:
        new_width, new_height = int(height * ratio), height
    if new_width < 1 or new_height < 1:
        raise MediaError(
            tr(
                "a {picture_width}x{picture_height} picture is too narrow for a {width}x{height} video",
                picture_width=image.width,
                picture_height=image.height,
                width=width,
                height=height,
            )
        )
    canvas = Image.new("RGB", (width, height), (255, 255, 255))
    fitted = image.convert("RGB").resize((new_width, new_height), Image.Resampling.LANCZOS)
    canvas.paste(fitted, ((width - new_width) // 2, (height - new_height) // 2))
    return np.asarray(canvas, dtype=np.uint8).copy()


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    """Return those of FORMATS that this Pillow was built with."""
    # Loads a library of three megabytes: only where a picture is opened.
    from pi_heif import register_heif_opener

    Image.init()
    register_heif_opener()
    return [name for name in FORMATS if name in Image.OPEN]


def _upright(rgb: Image.Image, stored: Image.Image) -> Image.Image:
    """Turn a picture as the EXIF block of the stored one says."""
    try:
        turn = TURNS.get(stored.getexif().get(ExifTags.Base.Orientation, 1))
    except UNREADABLE:
        # A broken EXIF block says nothing about how to turn the picture.
        turn = None
    return rgb if turn is None else rgb.transpose(turn)


def _not_read(path: Path) -> str:
    """Say what a file is that no reader took."""
    if kind := other_picture(path):
        return _convert(path, kind)
    name = shown(path)
    if kind := read_picture(path):
        return tr(
            "{name}: a {kind} picture that is damaged, or of a kind that is not read: save it again as JPEG or PNG",
            name=name,
            kind=kind,
        )
    if kind := other_file(path):
        return tr("{name}: not a picture but {kind}", name=name, kind=kind)
    return tr("{name}: not a picture that can be read (PNG, JPEG, WebP ...)", name=name)


def _convert(path: str | Path, kind: str) -> str:
    return tr("{name}: {kind}, which is not read: convert it to JPEG or PNG", name=shown(path), kind=kind)


def _too_large(path: str | Path, size: str = "") -> str:
    return tr("{name}: the picture has over 100 megapixels{size}: make it smaller", name=shown(path), size=size)


_DECODER_WORDS = (
    mark("image file is truncated"),
    mark("broken data stream when reading image file"),
    mark("unrecognized data stream contents when reading image file"),
    mark("broken PNG file"),
    mark("Truncated File Read"),
)
"""What the decoder usually says; in another language these are looked up, the rest stays as it is."""


def reason_for(error: BaseException) -> str:
    """The decoder's words, without the figures in brackets."""
    words = str(error).split("(")[0].strip()
    return (tr(words) if words in _DECODER_WORDS else words[:80]) or type(error).__name__

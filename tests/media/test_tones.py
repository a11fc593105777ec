"""Pictures keep their tones and colours, and what is not read is called by its name with the way out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipelines.media.read.check import audio_problem, image_problem, video_problem
from pipelines.media.read.images import colour_note, load_image, transparency_warning
from tests.media.films import ffmpeg
from tests.media.looks import ENCRYPTED_ASF, encrypted_asf
from tests.media.profiles import ADOBE, COLOURS, P3, in_profile, profile

RAMP = np.linspace(0, 65535, 256)[None].repeat(16, 0)
GREY8 = np.rint(RAMP / 257).astype(np.uint8)


def pgm(values: np.ndarray, top: int) -> bytes:
    return f"P5 256 16 {top}\n".encode() + values.astype(">u2").tobytes()


DEEP = {
    "grey16.png": (RAMP.astype(np.uint16), ""),
    "grey16.tif": (RAMP.astype(np.uint16), ""),
    "int32.tif": (RAMP.astype(np.int32), "65535 is taken for white"),
    "int31.tif": ((RAMP / 65535 * (2**31 - 1)).astype(np.int32), "is taken for white"),
    "int8.tif": (GREY8.astype(np.int32), ""),
    "float.tif": ((RAMP / 65535).astype(np.float32), ""),
    "float255.tif": ((RAMP / 257).astype(np.float32), "255 is taken for white"),
    "float65535.tif": (RAMP.astype(np.float32), "65535 is taken for white"),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_pictures_keep_their_tones(tmp_path, name):
    values, note = DEEP[name]
    Image.fromarray(values).save(tmp_path / name)
    assert image_problem(tmp_path / name) == ""
    seen = np.asarray(load_image(tmp_path / name)).astype(int)
    assert np.abs(seen - GREY8[..., None]).max() <= 1
    assert note in colour_note(tmp_path / name) and bool(note) == bool(colour_note(tmp_path / name))


def test_other_deep_files_keep_their_tones(tmp_path):
    (tmp_path / "grey16.pgm").write_bytes(pgm(RAMP, 65535))
    (tmp_path / "grey10.pgm").write_bytes(pgm(RAMP / 65535 * 1023, 1023))
    for pixels, name in (("rgb48be", "rgb16.png"), ("rgb48le", "rgb16.tif"), ("ya16be", "ya16.png")):
        ffmpeg("-i", tmp_path / "grey16.pgm", "-pix_fmt", pixels, tmp_path / name)
    for path in tmp_path.iterdir():
        seen = np.asarray(load_image(path)).astype(int)
        assert np.abs(seen - GREY8[..., None]).max() <= 1, path.name
        assert colour_note(path) == ""
    broken = (RAMP / 65535).astype(np.float32)
    broken[0, :3] = (np.nan, np.inf, -5)
    Image.fromarray(broken).save(tmp_path / "nan.tif")
    assert np.abs(np.asarray(load_image(tmp_path / "nan.tif"))[1:].astype(int) - GREY8[1:, :, None]).max() <= 1


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "avif"])
@pytest.mark.parametrize("primaries", [ADOBE, P3, {"gamma": 1.8}], ids=["Adobe RGB", "Display P3", "gamma 1.8"])
def test_a_profile_is_brought_to_the_screens_colours(tmp_path, kind, primaries):
    path = tmp_path / f"a.{kind}"
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(kind, {})
    options |= {"quality": 100, "subsampling": "4:4:4"} if kind == "avif" else {}
    Image.fromarray(in_profile(**primaries)).save(path, icc_profile=profile(**primaries), **options)
    seen = np.asarray(load_image(path))[8, 8::16].astype(int)
    assert np.abs(seen - COLOURS[0]).max() <= 5
    assert colour_note(path) == ""


def test_a_profile_that_changes_nothing_changes_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB", "RGBA", "L", "P"):
        plain, tagged = tmp_path / f"{mode}.png", tmp_path / f"{mode}-tagged.png"
        image = Image.fromarray(noise).convert(mode)
        image.save(plain)
        image.save(tagged, icc_profile=srgb)
        assert np.array_equal(load_image(plain), load_image(tagged)), mode


def test_a_grey_profile_a_gamma_and_a_bilevel_picture(tmp_path):
    linear = np.rint(255 * (np.arange(256) / 255) ** 2.2).astype(np.uint8)[None].repeat(16, 0)
    Image.fromarray(linear).save(tmp_path / "grey.png", icc_profile=profile(gamma=1.0, grey=True))
    chunk = b"gAMA" + struct.pack(">I", 100000)
    Image.fromarray(linear).save(tmp_path / "plain.png")
    data = (tmp_path / "plain.png").read_bytes()
    gamma = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "gamma.png").write_bytes(data[:33] + gamma + data[33:])
    for name in ("grey.png", "gamma.png"):
        seen = np.asarray(load_image(tmp_path / name)).astype(int)[0, 60:, 0]
        assert np.abs(seen - np.arange(60, 256)).max() <= 5, name
    Image.fromarray(GREY8 > 100).save(tmp_path / "bits.png")
    assert set(np.unique(load_image(tmp_path / "bits.png"))) == {0, 255}


def test_what_can_only_be_guessed_is_said(tmp_path):
    Image.fromarray(in_profile()).convert("CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(in_profile()).save(tmp_path / "broken.png", icc_profile=b"no profile at all" * 20)
    Image.fromarray(in_profile()).save(tmp_path / "plain.png")
    data = (tmp_path / "plain.png").read_bytes()
    for name, codes in (
        ("hdr.png", b"\x09\x10\x00\x01"),
        ("wide.png", b"\x0c\x0d\x00\x01"),
        ("srgb.png", b"\1\x0d\0\1"),
    ):
        chunk = b"cICP" + codes
        whole = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / name).write_bytes(data[:33] + whole + data[33:])
    words = {
        "print.jpg": "CMYK without a profile",
        "broken.png": "cannot be read",
        "hdr.png": "HDR picture",
        "wide.png": "wide colours",
    }
    for path in sorted(tmp_path.iterdir()):
        assert image_problem(path) == ""
        assert words.get(path.name, "") in colour_note(path)
        assert bool(colour_note(path)) == (path.name in words), path.name


def test_a_lab_picture_is_read(tmp_path):
    lab = ImageCms.profileToProfile(
        Image.fromarray(in_profile()), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "lab.tif")
    assert np.abs(np.asarray(load_image(tmp_path / "lab.tif")).astype(int) - in_profile()).max() <= 6


NAMED = {
    "a.jxl": (b"\xff\x0a", "JPEG XL"),
    "b.png": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "a.psd": (b"8BPS\0\1", "Photoshop"),
    "a.xcf": (b"gimp xcf v011", "GIMP"),
    "a.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw photo"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\2\0", "raw photo"),
    "a.nef": (b"MM\0*\0\0\0\x08", "raw photo"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201", "raw photo"),
    "a.exr": (b"v/1\x01\2\0\0\0", "OpenEXR"),
    "a.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "Radiance"),
    "a.svg": (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG"),
    "a.pdf": (b"%PDF-1.7\n\x93\x93", "PDF"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "a.kra": (b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-krita", "Krita"),
    "a.qoi": (b"qoif\0\0", "QOI"),
}
OTHER = {
    "page": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "text": ("grüße\n".encode() * 700, "a text"),
    "zip": (b"PK\3\4\x93\xff", "ZIP"),
    "zeros": (bytes(9000), "only zeros"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "list": (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "play list"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_picture_of_another_kind_is_named_with_the_way_out(tmp_path, name):
    head, kind = NAMED[name]
    (tmp_path / name).write_bytes(head + (bytes(400) if b"<svg" not in head else b"</svg>"))
    assert kind in image_problem(tmp_path / name)
    assert "convert it to JPEG or PNG" in image_problem(tmp_path / name)


@pytest.mark.parametrize("name", OTHER)
def test_what_is_no_medium_is_named(tmp_path, name):
    content, kind = OTHER[name]
    for ending, problem in (
        ("png", image_problem),
        ("mp4", lambda path: video_problem(path, 9)),
        ("mp3", lambda path: audio_problem(path, 0.4, 200)),
    ):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(content)
        assert kind in problem(path) and problem(path).startswith(f"a.{ending}: not a ")


def test_a_raw_photo_that_opens_as_its_thumbnail_is_refused(tmp_path):
    Image.new("RGB", (160, 120)).save(tmp_path / "photo.NEF", "TIFF")
    Image.new("RGB", (160, 120)).save(tmp_path / "photo.tif", "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    for name in ("photo.NEF", "photo.tif"):
        assert "a camera's raw photo" in image_problem(tmp_path / name)


def test_a_wrong_checksum_is_said(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    (tmp_path / "header.png").write_bytes(bytes(data[:29]) + b"\0\0\0\0" + bytes(data[33:]))
    assert "a PNG picture that is damaged" in image_problem(tmp_path / "header.png")
    (tmp_path / "cut.png").write_bytes(bytes(data[:-6000]))
    assert "damaged or cut off (" in image_problem(tmp_path / "cut.png")


def test_an_encrypted_film_is_said_to_be_that(tmp_path):
    key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "1" * 32, "-encryption_kid", "2" * 32)
    still = ("-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-f", "lavfi", "-i", "sine=d=1")
    ffmpeg(*still, "-c:v", "libx264", "-c:a", "aac", *key, tmp_path / "film.mp4")
    assert "encrypted" in video_problem(tmp_path / "film.mp4", 9)
    assert "encrypted" in audio_problem(tmp_path / "film.mp4", 0.4, 200)


@pytest.mark.parametrize("kind", ENCRYPTED_ASF)
@pytest.mark.parametrize("name", ["film.wmv", "song.wma"])
def test_an_encrypted_windows_file_is_said_to_be_that(tmp_path, name, kind):
    path = encrypted_asf(tmp_path / name, kind)
    assert "encrypted" in video_problem(path, 9)
    assert "encrypted" in audio_problem(path, 0.4, 200)


HEIC = Path(__file__).parent / "heic"
"""The colours of a screen as libheif and x265 write them: the program brings no encoder to make them here."""
TRUE = {"plain": 3, "turned": 3, "display-p3": 4, "small-chroma": 4, "ten-bit": 3, "two-pictures": 3, "transparent": 3}


@pytest.mark.parametrize("name", TRUE)
def test_a_photo_of_a_telephone_is_read(tmp_path, name):
    """Turned by its container, in a profile, with less colour than light, in ten bits, with more beside it."""
    path = tmp_path / f"{name}.jpg"
    path.write_bytes((HEIC / f"{name}.heic").read_bytes())
    assert image_problem(path) == "" and colour_note(path) == ""
    seen = np.asarray(load_image(path)).astype(int)
    upright = np.rot90(seen) if name == "turned" else seen
    assert upright.shape == (48, 80, 3)
    assert np.abs(upright[24, 8::16] - COLOURS[0]).max() <= TRUE[name]
    assert bool(transparency_warning(path)) is (name == "transparent")


def test_a_grey_photo_and_an_hdr_one(tmp_path):
    grey = np.asarray(load_image(HEIC / "grey.heic")).astype(int)
    wanted = np.asarray(Image.fromarray(COLOURS).convert("L")).astype(int)[0]
    assert np.abs(grey[24, 8::16] - wanted[:, None]).max() <= 3
    assert "HDR picture" in colour_note(HEIC / "hlg.heic")


HEADS = {
    "IMG_0001.HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "IMG_0002.jpg": b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf",
    "burst.heics": b"\0\0\0\x18ftypmsf1\0\0\0\0hevcmsf1",
    "a.avif": b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_photo_of_which_only_the_head_is_there_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(HEADS[name] + bytes(400))
    problem, kind = image_problem(tmp_path / name), "AVIF" if "avif" in name else "HEIC"
    assert f"a {kind} picture that is damaged" in problem and "JPEG or PNG" in problem


@pytest.mark.parametrize("name", ["plain", "turned", "two-pictures", "transparent"])
def test_a_photo_cut_anywhere_is_refused_in_words(tmp_path, name):
    data = (HEIC / f"{name}.heic").read_bytes()
    for end in range(40, len(data) - 20, len(data) // 25):
        path = tmp_path / f"{end}.heic"
        path.write_bytes(data[:end])
        assert "damaged" in image_problem(path), end

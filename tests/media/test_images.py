"""Pictures as references: upright, in the model's own letterbox, and each refusal in its own words."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from pipelines.front.errors import MediaError
from pipelines.media.read.check import file_problems, image_problem
from pipelines.media.read.images import letterbox, load_image
from pipelines.media.read.probe import probe_image
from tests.media.broken import png

GOLDENS = Path(__file__).parents[1] / "goldens" / "r2v"


def golden(name: str) -> tuple[dict, dict]:
    return json.loads((GOLDENS / f"{name}.json").read_text()), load_file(GOLDENS / f"{name}.safetensors")


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    return png(width, height, zlib.compress(bytes(1000)))


def test_files_of_the_goldens_load_to_the_same_pixels(tmp_path):
    facts, tensors = golden("images")
    for case in facts["cases"]:
        path = tmp_path / case["name"]
        path.write_bytes(tensors[f"{case['name']}.file"].tobytes())
        same = np.array_equal(np.asarray(load_image(path)), tensors[f"{case['name']}.rgb"])
        # The published script clips 16 bits to white; here the tones are kept.
        assert same == (case["mode_on_disk"] != "I;16"), case["name"]
        info = probe_image(path)
        assert [info.width, info.height] == case["size_after"]


def test_letterbox_equals_the_goldens():
    facts, tensors = golden("letterbox")
    for index, case in enumerate(facts["cases"]):
        picture = Image.fromarray(tensors[f"src{index:02d}"])
        width, height = case["target"]
        assert np.array_equal(letterbox(picture, height, width), tensors[f"out{index:02d}"]), case
    for case in facts["extreme"]:
        picture, (width, height) = Image.new("RGB", tuple(case["source"])), case["target"]
        if "ok" in case:
            assert letterbox(picture, height, width).shape == (height, width, 3)
        else:
            with pytest.raises(MediaError, match="too narrow"):
                letterbox(picture, height, width)


@pytest.mark.parametrize("kind", ["jpeg", "tiff", "png", "webp"])
def test_exif_orientation_in_every_format(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (60, 30)).save(path, exif=exif)
    info = probe_image(path)
    assert (info.width, info.height) == load_image(path).size == (30, 60)


def test_refusals_each_have_their_own_words(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (2000, 20)).save(tmp_path / "line.png")
    (tmp_path / "large.png").write_bytes(png_header(10001, 10000))
    (tmp_path / "bomb.png").write_bytes(png_header(60000, 60000))
    expected = {
        "missing.png": "no such file",
        "": "is a directory",
        "text.png": "not a picture",
        "cut.png": "damaged or cut off",
        "dot.png": "1x1",
        "empty.png": "0 bytes",
        "line.png": "at most 40 times",
        "large.png": "over 100 megapixels (10001x10000)",
        "bomb.png": "over 100 megapixels",
    }
    messages = {name: image_problem(tmp_path / name) for name in expected}
    for name, words in expected.items():
        assert words in messages[name]
    assert len(set(messages.values())) == len(messages)
    assert image_problem(tmp_path / "whole.png") == ""


def test_a_hostile_name_is_made_printable(tmp_path):
    message = image_problem(tmp_path / "\x1b]0;x\x07[red]\u202e.png")
    assert message.isprintable() and "[red]" in message
    assert image_problem("nul\0.png").isprintable()
    assert image_problem("a" * 5000).isprintable()


def test_one_problem_a_refused_file(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    paths = [str(tmp_path / name) for name in ("good.png", "x.png", "y.png")]
    problems = file_problems("ref_imgs", paths, image_problem)
    assert [(problem.field, problem.message) for problem in problems] == [
        ("ref_imgs", f"{tmp_path}/x.png: no such file"),
        ("ref_imgs", f"{tmp_path}/y.png: no such file"),
    ]


def test_a_missing_file_is_named_with_the_place_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert image_problem("pictures/x.png") == f"{tmp_path}/pictures/x.png: no such file"
    deep = image_problem(f"{'folder/' * 60}x.png")
    assert deep.startswith("…") and deep.endswith("/folder/x.png: no such file") and len(deep) < 300


def test_a_mended_file_is_looked_at_again(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("no picture")
    assert image_problem(path)
    Image.new("RGB", (20, 20)).save(path)
    assert image_problem(path) == ""

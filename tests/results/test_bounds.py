"""Whatever lies in the result folder is read within bounds: bytes, memory, time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.media.ffmpeg import ffmpeg_path
from pipelines.media.write.publish import _tag, read_metadata
from skyreels_tui.results import choosing, gallery
from tests.ui.conftest import SAMPLES

GOOD = {"recipe": 1, "task": "reference_to_video", "label": "a label", "request": {"prompt": "a walk", "seed": 7}}


def film(path: Path, comment: str) -> Path:
    """A small mp4 with a comment of any size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The backslash first: the others bring new ones.
    for char in "\\=;#\n":
        comment = comment.replace(char, f"\\{char}")
    tags = path.with_suffix(".tags")
    tags.write_text(f";FFMETADATA1\ntitle=one\ncomment={comment}\n")
    command = [ffmpeg_path(), "-v", "error", "-y", "-i", SAMPLES / "clip.mp4", "-i", tags, "-map", "0", "-map_metadata"]
    subprocess.run([*command, "1", "-c", "copy", path], check=True)
    tags.unlink()
    return path


@pytest.mark.parametrize(
    "prompt",
    [
        "plain",
        "",
        "a=b;c#d",
        "back\\slash \\\\ two \\\\\\ three",
        "line\nbreak\n\n",
        '"quotes" \\"',
        "ends\\",
        "é 映画",
        "x" * 100000,
    ],
)
def test_what_was_written_is_read_again(tmp_path, prompt):
    """As our own files hold it, and as another program writes the same JSON, with line breaks and letters raw."""
    recipe = {**GOOD, "request": {"prompt": prompt}}
    for text in (json.dumps(recipe), json.dumps(recipe, indent=1, ensure_ascii=False)):
        assert read_metadata(film(tmp_path / "film.mp4", text)) == recipe


def padded(num_bytes: int, filler: str) -> str:
    head = json.dumps(GOOD)[:-1] + ', "more": '
    match filler:
        case "text":
            return head + '"' + "x" * num_bytes + '"}'
        case "numbers":
            return head + "[" + "0," * (num_bytes // 2) + "0]}"
        case "lists":
            return head + "[" + "[]," * (num_bytes // 3) + "0]}"
        case "escapes":
            return head + '"' + "\\\\" * (num_bytes // 2) + '"}'
        case "deep":
            return head + "[" * (num_bytes // 2) + "]" * (num_bytes // 2) + "}"
    raise AssertionError(filler)


PEAK = """
import json, resource, sys
from pathlib import Path
from skyreels_tui.results import choosing, gallery
import pipelines.media.write.publish
folder = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2):
    found = [gallery.with_recipe_inside(video) for video in gallery.videos(folder)]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([(after - before) / 1024, sorted(video.label for video in found)]))
"""


def grown_mib(folder: Path) -> tuple[float, list[str]]:
    """How much a process grows that lists the folder and looks into every film, and what it lists."""
    done = subprocess.run([sys.executable, "-c", PEAK, folder], capture_output=True, text=True, timeout=100, check=True)
    mib, labels = json.loads(done.stdout)
    return mib, labels


@pytest.mark.parametrize("filler", ["text", "numbers", "lists", "escapes", "deep"])
def test_a_recipe_of_any_size_inside_a_film_takes_no_memory(tmp_path, filler):
    film(tmp_path / "x" / "huge.mp4", padded(48 << 20, filler))
    film(tmp_path / "x" / "good.mp4", json.dumps(GOOD))
    mib, labels = grown_mib(tmp_path)
    assert labels == ["a label", "huge"]
    assert mib < 120


@pytest.mark.parametrize("filler", ["text", "numbers", "lists", "escapes"])
def test_a_long_recipe_within_the_limit_keeps_what_tells_the_film_from_others(tmp_path, filler):
    path = tmp_path / "x" / "film.mp4"
    film(path, "")
    path.with_suffix(".json").write_text(padded(3 << 20, filler))
    mib, labels = grown_mib(tmp_path)
    assert labels == ["a label"] and mib < 300
    video = gallery.videos(tmp_path)[0]
    assert video.has_sidecar and "more" not in video.recipe
    renamed = gallery.rename(video, "other")
    assert "more" in json.loads(renamed.with_suffix(".json").read_text()), "a rename lost what is not listed"


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("/nowhere")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(100000))


def deep(path: Path) -> None:
    path.write_text("[" * 1000000)


ODD = [folder, pipe, zeros, loop, nowhere, sparse, noise, deep]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
@pytest.mark.parametrize("ending", [".json", ".mp4"])
def test_odd_things_beside_films_hide_none_of_them(tmp_path, odd, ending):
    good = film(tmp_path / "x" / "good.mp4", "")
    good.with_suffix(".json").write_text(json.dumps(GOOD))
    other = film(tmp_path / "x" / "other.mp4", "")
    if ending == ".mp4":
        other.unlink()
    odd(other.with_suffix(ending))
    found = [gallery.with_recipe_inside(video) for video in gallery.videos(tmp_path)]
    assert "a label" in {video.label for video in found}
    assert len(found) == (1 if ending == ".mp4" and odd in (folder, pipe, zeros, loop, nowhere) else 2)


@pytest.mark.parametrize("value", [[], {}, 7, True, None, "x" * 50000, ["a"] * 9, {"a": {"b": []}}])
@pytest.mark.parametrize("key", ["task", "label", "output", "request"])
def test_odd_values_in_a_recipe_are_shown_within_bounds(tmp_path, key, value):
    path = tmp_path / "x" / "film.mp4"
    film(path, "")
    path.with_suffix(".json").write_text(json.dumps({**GOOD, key: value}))
    video = gallery.videos(tmp_path)[0]
    assert 0 < len(video.label) <= 1000 and 0 < len(video.task) <= 1000 and len(video.suspect) <= 1000
    assert video.seconds is None and isinstance(video.request, dict)
    assert choosing.chosen([video], "film", "", choosing.Order.NEWEST)


def test_thousands_of_long_sidecars_are_read_up_to_a_sum(tmp_path):
    """Each is within the limit, together they are a machine's memory."""
    source = film(tmp_path / "x" / "film-0.mp4", "")
    text = padded(1 << 20, "lists")
    for number in range(100):
        path = source.with_stem(f"film-{number}")
        if number:
            os.link(source, path)
        path.with_suffix(".json").write_text(text)
    mib, labels = grown_mib(tmp_path)
    assert mib < 300 and len(labels) == 100
    assert labels.count("a label") == gallery.LISTING_BYTES // len(text)


def test_sidecars_are_read_up_to_a_sum(tmp_path, monkeypatch):
    source = film(tmp_path / "x" / "film-0.mp4", "")
    text = padded(1 << 10, "lists")
    for number in range(5):
        path = source.with_stem(f"film-{number}")
        if number:
            os.link(source, path)
        path.with_suffix(".json").write_text(text)
    monkeypatch.setattr(gallery, "LISTING_BYTES", 3 * len(text))
    labels = [gallery.with_recipe_inside(video).label for video in gallery.videos(tmp_path)]
    assert len(labels) == 5 and labels.count("a label") == 3


def test_names_of_any_length_are_listed(tmp_path):
    source = film(tmp_path / "x" / "film.mp4", "")
    os.link(source, source.with_name("n" * 251 + ".mp4"))
    os.link(source, source.with_name("é" * 125 + ".mp4"))
    assert len([gallery.with_recipe_inside(video) for video in gallery.videos(tmp_path)]) == 3


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        (b"comment=x\n", b"x"),
        (b";FF\ncomment=x", b"x"),
        (b";FF\nother=comment\\=y\ncomment=x\nz=1\n", b"x"),
        (b"comment=a\\\nb\nc=d\n", b"a\nb"),
        (b"comment=a\\\\\nb=c\n", b"a\\"),
        (b"comment=\n", b""),
        (b"title=x\n", b""),
        (b"", b""),
    ],
)
def test_a_tag_ends_at_the_first_line_break_that_is_not_kept(tags, value):
    assert _tag(tags, b"comment") == value

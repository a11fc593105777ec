"""An approximate way that proves itself: the two files, their figures, the limits, and what is said before a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.errors import MediaError
from pipelines.media.read.likeness import likeness
from pipelines.media.write.video import VideoWriter
from skyreels_tui.cli import main
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.quality import Figures, QualityBook, way_of
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.settings.limits import QualityLimits
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures
from tests.queue.conftest import PICTURE, make_request

Cli = Callable[..., Call]
LIMITS = QualityLimits(0.1, 25.0, 0.85)
GOOD = Figures((0.02, 0.2), 33.0, 0.95, 80.0, 60.0)
JOB = ("--task_type", "reference_to_video", "--profile", "demo", "--prompt", "a walk", "--ref_imgs", str(PICTURE),
       "--duration", "1", "--num_inference_steps", "2")  # fmt: skip


def film(path: Path, shift: int = 0, frames: int = 3) -> Path:
    import numpy as np

    picture = np.add.outer(np.arange(64), np.arange(96)) % 200
    with VideoWriter(path, 96, 64, 24) as writer:
        for index in range(frames):
            writer.write(np.repeat((picture + shift + index)[None, ..., None], 3, axis=3).astype(np.uint8))
    return path


def test_equal_films_are_equal_and_others_less_the_more_they_differ(tmp_path: Path) -> None:
    one = film(tmp_path / "a.mp4")
    same, near, far = (likeness(one, film(tmp_path / f"{n}.mp4", n)) for n in (0, 4, 40))
    assert (same.psnr_db, same.ssim) == (float("inf"), 1.0)
    assert 1 > near.ssim > far.ssim
    assert near.psnr_db == pytest.approx(36, abs=4), "four levels of 255"
    assert far.psnr_db < near.psnr_db
    with pytest.raises(MediaError, match="size and length"):
        likeness(one, film(tmp_path / "long.mp4", frames=5))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"velocity": (0.11,)}, ["velocity"]),
        ({"velocity": (0.1, 5.0)}, []),
        ({"velocity": ()}, ["velocity"]),
        ({"velocity": (float("nan"),)}, ["velocity"]),
        ({"psnr_db": 24.9}, ["PSNR"]),
        ({"psnr_db": float("inf")}, []),
        ({"psnr_db": float("nan"), "ssim": float("nan")}, ["PSNR", "SSIM"]),
        ({"ssim": 0.84}, ["SSIM"]),
    ],
)
def test_what_is_beyond_the_limits(changes: dict, words: list[str]) -> None:
    found = replace(GOOD, **changes).beyond(LIMITS)
    assert [line.split()[0] for line in found] == words


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({}, ""),
        ({"quality": "fast"}, "fast"),
        ({"quality": "fastest"}, "fastest"),
        ({"quality": "fastest", "low_vram": True}, "low_vram"),
        ({"low_vram": True}, "low_vram"),
        ({"offload": True}, ""),
    ],
)
def test_only_an_approximate_request_is_warned_about(tmp_path: Path, fields: dict, way: str) -> None:
    book, request = QualityBook(tmp_path / "q.json"), make_request(profile="full", resolution="540P", **fields)
    assert way_of(request) == way
    before = book.warning("GPU", "reference_to_video", request, LIMITS)
    assert ("never compared" in before and f"--way {way} does" in before) == bool(way)
    if way:
        book.keep("GPU", "reference_to_video", way, replace(GOOD, ssim=0.5))
        assert "beyond your limits: SSIM 0.5" in book.warning("GPU", "reference_to_video", request, LIMITS)
        book.keep("GPU", "reference_to_video", way, GOOD)
        assert book.get("GPU", "reference_to_video", way) == GOOD
        assert book.warning("GPU", "reference_to_video", request, LIMITS) == ""
        assert book.warning("another GPU", "reference_to_video", request, LIMITS) == before
        assert book.warning("GPU", "talking_avatar", request, LIMITS) != ""
        assert "beyond" in book.warning("GPU", "reference_to_video", request, replace(LIMITS, psnr_db=40))


@pytest.mark.parametrize("text", ["", "[]", "torn", '{"GPU | t | fast": 3}', '{"GPU | t | fast": {"velocity": "x"}}'])
def test_a_damaged_book_knows_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "q.json"
    path.write_text(text)
    assert QualityBook(path).get("GPU", "t", "fast") is None


@pytest.fixture
def here(small_pictures: None, cli: Cli, capfd: pytest.CaptureFixture[str]) -> Cli:  # noqa: F811
    """The tiny models by the command line of this process, which need not import torch anew."""

    def call(*words: str) -> Call:
        capfd.readouterr()
        code = main(list(words), executor=lambda: LocalExecutor(find_folders(), device="cpu"))
        return Call(code, *capfd.readouterr())

    return call


def test_the_command_makes_both_keeps_them_and_tells_the_figures(tmp_path: Path, here: Cli) -> None:
    call = here("quality", *JOB, "--way", "low_vram", "--json")
    assert call.code == 0, call.err
    data = call.data
    assert data["passed"]
    assert len(data["velocity"]) == 2
    assert 0 < data["velocity"][0] < 0.1
    assert 25 < data["psnr_db"] < 60
    exact, fast = map(Path, data["files"])
    assert exact.is_file() and fast.is_file() and exact.parent == fast.parent
    assert likeness(exact, fast).ssim == data["ssim"]
    asked = [json.loads(file.with_suffix(".json").read_text())["request"] for file in (exact, fast)]
    assert [request["low_vram"] for request in asked] == [False, True]
    assert asked[0]["seed"] == asked[1]["seed"]
    assert not list((tmp_path / "home/state").glob("quality-*")), "the velocities are gone"
    here("settings", "set", "fast_ssim", "1")
    # On a CPU the fast way is the exact one.
    same = here("quality", *JOB)
    assert same.code == 0
    assert "0.0000 0.0000" in same.out
    beyond = here("quality", *JOB, "--way", "low_vram")
    assert beyond.code == 1
    assert "SSIM" in beyond.errors[-1]
    assert len([line for line in beyond.out.splitlines() if line.endswith(".mp4")]) == 2


def test_nothing_is_computed_beside_a_queue_that_runs_or_for_a_bad_request(cli: Cli, home) -> None:  # noqa: F811
    assert cli("quality", *JOB, "--duration", "900").code == 2
    folders = find_folders()
    folders.create()
    lock = OwnerLock(folders.lock)
    assert lock.acquire()
    refused = cli("quality", *JOB)
    lock.release()
    assert refused.code != 0
    assert "runs the queue" in refused.err

"""What the command line refuses: exit code 2, one line a problem on stderr, nothing on stdout, nothing queued."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Call

Cli = Callable[..., Call]
BASE = ("--profile", "demo", "--task_type", "reference_to_video", "--prompt", "a cup")


def text_file(folder: Path) -> Path:
    path = folder / "text.png"
    path.write_text("no picture")
    return path


def truncated(folder: Path) -> Path:
    path = folder / "cut.png"
    Image.effect_noise((200, 200), 90).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def one_pixel(folder: Path) -> Path:
    path = folder / "dot.png"
    Image.new("RGB", (1, 1)).save(path)
    return path


def huge(folder: Path) -> Path:
    path = folder / "huge.png"
    Image.new("1", (10100, 10000)).save(path)
    return path


PICTURES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing file": (lambda folder: folder / "nowhere.png", "no such file"),
    "directory": (lambda folder: folder, "directory"),
    "text named png": (text_file, "text.png"),
    "truncated": (truncated, "cut.png"),
    "one pixel": (one_pixel, "dot.png"),
    "over 100 megapixels": (huge, "huge.png"),
}


@pytest.mark.parametrize("command", ["add", "generate"])
@pytest.mark.parametrize("name", PICTURES)
def test_refuses_pictures(cli: Cli, tmp_path: Path, command: str, name: str) -> None:
    make, words = PICTURES[name]
    call = cli(command, *BASE, "--ref_imgs", make(tmp_path))
    assert (call.code, call.out) == (2, "")
    assert len(call.errors) == 1
    assert call.err.startswith("skyreels-tui: ref_imgs: ")
    assert words in call.err
    assert cli("list", "--json").data == []


OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "duration 0": (("--duration", "0"), "duration: 0 s is outside 1 to 60"),
    "duration 1.5": (("--duration", "1.5"), "duration: 1.5 is not a whole number"),
    "duration 61": (("--duration", "61"), "duration: 61 s is outside 1 to 60"),
    "duration abc": (("--duration", "abc"), "duration: 'abc' is not a number"),
    "duration nan": (("--duration", "nan"), "duration: nan is not a whole number"),
    "resolution": (("--resolution", "4K"), "resolution: '4K' is not offered"),
    "seed": (("--seed", "-1"), "seed: -1 is outside 0"),
    "prompt": (("--prompt", "  "), "prompt: Prompt is empty"),
    "guidance": (("--guidance-scale", "inf"), "guidance_scale: inf is outside"),
    "another task's field": (("--input_audio", "x.wav"), "input_audio: reference_to_video has no such field"),
    "unknown option": (("--sead", "3"), "unrecognized arguments: --sead"),
    "option without value": (("--seed",), "expected one argument"),
    "unknown task": (("--task_type", "text_to_video"), "task_type: no task 'text_to_video'"),
    "unknown profile": (("--profile", "tiny"), "invalid choice: 'tiny'"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_refuses_options(cli: Cli, picture: Path, name: str) -> None:
    words, message = OPTIONS[name]
    call = cli("generate", *BASE, "--ref_imgs", picture, *words)
    assert (call.code, call.out) == (2, "")
    assert len(call.errors) == 1
    assert message in call.err
    assert cli("list", "--json").data == []


def test_no_picture_and_five_pictures(cli: Cli, tmp_path: Path, picture: Path) -> None:
    none = cli("generate", *BASE)
    assert (none.code, none.out) == (2, "")
    assert "ref_imgs: 0 given: needs at least 1 image file" in none.err
    five = cli("generate", *BASE, "--ref_imgs", *[picture] * 5)
    assert (five.code, five.out) == (2, "")
    assert "ref_imgs: 5 given: at most 4 image files" in five.err


def test_every_problem_has_its_line(cli: Cli) -> None:
    call = cli("add", "--task", "reference_to_video", "--prompt", "", "--duration", "0", "--seed", "x")
    assert call.code == 2
    assert [line.split(": ")[1] for line in call.errors] == ["prompt", "seed", "ref_imgs", "duration"]


def test_hostile_text_reaches_the_terminal_escaped(cli: Cli) -> None:
    call = cli("generate", *BASE, "--ref_imgs", "\x1b]0;owned\x07\n[red]x.png")
    assert call.code == 2
    assert "\x1b" not in call.err
    assert "\x07" not in call.err
    assert len(call.errors) == 1


def test_unknown_command_offers_the_near_one(cli: Cli) -> None:
    call = cli("generat")
    assert (call.code, call.out) == (2, "")
    assert call.errors == ["skyreels-tui: no command 'generat': did you mean generate?"]


def test_input_that_fits_several_tasks_asks_for_the_task(cli: Cli) -> None:
    call = cli("add", "--input_video", "x.mp4", "--prompt", "on")
    assert call.code == 2
    assert "--task_type single_shot_extension, shot_switching_extension" in call.err


@pytest.mark.parametrize("words", [("--prompt", "a\udcff"), ("--label", "a\udcff"), ("--batch", "a\udcff")])
def test_arguments_that_are_no_text_are_refused(cli: Cli, picture: Path, words: tuple[str, str]) -> None:
    call = cli("add", *BASE, "--ref_imgs", picture, *words)
    assert (call.code, call.out) == (2, "")
    assert len(call.errors) == 1
    assert "text (UTF-8)" in call.err
    assert cli("list", "--json").data == []

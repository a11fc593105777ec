"""`film` from the shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.commands.shared.describe import FILM_KEYS, JOB_KEYS
from skyreels_tui.executors.fake import Script
from tests.cli.conftest import Call

Cli = Callable[..., Call]


@pytest.fixture
def scene(cli: Cli, picture: Path) -> Callable[..., Call]:
    """Add one scene to the film 'night'."""

    def add(label: str, ref: object = picture) -> Call:
        words = ("--profile", "demo", "--resolution", "128P", "--ref_imgs", ref, "--prompt", "x", "--label", label)
        return cli("add", *words, "--batch", "night")

    return add


def test_films_and_where_they_stand(cli: Cli, scene: Callable[..., Call]) -> None:
    assert cli("film").code == 0 and "no film" in cli("film").err
    assert cli("film", "list", "--json").data == []
    for label in "abc":
        scene(label)
    cli("hold", 3)
    assert cli("film").out.splitlines()[1].split(None, 1) == ["night", "0/3 done, 2 queued, 1 held"]
    assert cli("run").code == 0
    assert cli("film", "status", "night").out == "night  2/3 done, 1 held\n"
    status = cli("film", "status", "night", "--json").data
    assert status["states"] == {"done": 2, "held": 1} and set(status) == set(FILM_KEYS) - {"scenes"}
    shown = cli("film", "show", "night", "--json").data
    assert set(shown) == set(FILM_KEYS) and [one["chosen"] for one in shown["scenes"]] == [1, 2, None]
    assert set(shown["scenes"][0]["takes"][0]) == set(JOB_KEYS)


@pytest.mark.parametrize(
    "words",
    [("show", "x"), ("status", "x"), ("resume", "x"), ("show", ""), ("choose", "99")],
    ids=lambda words: " ".join(words),
)
def test_what_is_not_there_is_said_and_nothing_printed(cli: Cli, words: Sequence[str]) -> None:
    call = cli("film", *words)
    assert (call.code, call.out) == (3, "") and "there is no" in call.err


def test_a_take_is_chosen(cli: Cli, scene: Callable[..., Call]) -> None:
    scene("a")
    cli("run")
    cli("retry", 1)
    cli("run")
    assert "2*" in cli("film", "show", "night").out
    assert cli("film", "choose", 1, "--json").data == [1]
    assert "1*" in cli("film", "show", "night").out
    cli("retry", 1)
    assert cli("film", "choose", 3).code == 5


def test_failed_scenes_are_tried_again_and_what_waits_follows(cli: Cli, scene: Callable[..., Call]) -> None:
    for label in "abc":
        scene(label)
    cli("cancel", 2)
    assert cli("run", script=Script(failures={(Stage.DENOISE, 1): MediaError("it broke")})).code == 1
    assert cli("film", "status", "night", "--json").data["states"] == {"failed": 2, "cancelled": 1}
    assert cli("film", "resume", "night").out == "4\n5\n"
    assert cli("run").code == 0
    assert cli("film", "status", "night").out == "night  2/3 done, 1 cancelled\n"
    assert cli("film", "resume", "night", "--json").data == []

"""Two speakers through the shell: added, shown, changed, run again, refused in words, and as scenes of a film."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.tasks import task_named
from skyreels_tui.requests.forms import shell_command
from tests.cli.conftest import Call

Cli = Callable[..., Call]
SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
VOICE = next(SAMPLES.glob("voice.*"))
TWO = "0,0,45,100 55,0,45,100"


@pytest.fixture
def job() -> tuple[object, ...]:
    return (
        "--profile", "demo", "--prompt", "They talk", "--input_image", SAMPLES / "astronaut.jpg",
        "--input_audio", VOICE, "--second_audio", VOICE, "--regions", TWO,
    )  # fmt: skip


def test_a_job_of_two_voices_is_added_changed_and_run_again(cli: Cli, job: tuple[object, ...]) -> None:
    assert cli("add", *job).code == 0
    asked = cli("show", 1, "--json").data["request"]
    assert (asked["second_audio"], asked["regions"], asked["speaking"]) == ([str(VOICE)], TWO, "turns")
    assert cli("edit", 1, "--speaking", "together", "--regions", "0,0,40,100;60,0,40,100").code == 0
    assert cli("duplicate", 1).code == 0
    again = cli("show", 2, "--json").data["request"]
    assert (again["speaking"], again["regions"]) == ("together", "0,0,40,100;60,0,40,100")
    # The command that the form copies adds the same job.
    task = task_named("talking_avatar")
    words = shlex.split(shell_command(task, task.request_type.from_dict(again), ""))
    assert cli(*words[1:]).code == 0
    assert cli("show", 3, "--json").data["request"] == again


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("--regions", ""), "regions: two voices need two regions"),
        (("--regions", "0,0,50,100"), "regions: two voices need two regions"),
        (("--regions", "0,0,60,100 40,0,60,100"), "regions: regions 1 and 2 overlap"),
        (("--regions", "0,0,60,100 60,0,60,100"), "regions: region 2: 60,0,60,100 reaches outside"),
        (("--regions", "0,0,0,100 60,0,40,100"), "regions: region 1: 0,0,0,100 is empty"),
        (("--regions", "0,0,1,1 60,0,40,100"), "regions: region 1: 0,0,1,1 is cut away"),
        (("--regions", "0,0,9,9 60,0,9,9 80,0,9,9"), "regions: 3 regions given: at most 2"),
        (("--regions", "a face"), "regions: region 1: 'a' is no left,top,width,height"),
        (("--speaking", "both"), "speaking: 'both' is not offered"),
        (("--second_audio", "nothing.wav"), "second_audio: "),
        (("--second_audio", VOICE, VOICE), "second_audio: 2 given: at most 1 audio file"),
        (("--second_audio", SAMPLES / "astronaut.jpg"), "second_audio: "),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_added(
    cli: Cli, job: tuple[object, ...], changes: tuple[object, ...], words: str
) -> None:
    option = job.index(changes[0]) if changes[0] in job else len(job)
    call = cli("add", *job[:option], *changes, *job[option + 2 :])
    assert call.code == 2
    assert words in call.err
    assert cli("list", "--json").data == []


def test_two_regions_without_a_second_voice_are_refused(cli: Cli, job: tuple[object, ...]) -> None:
    place = job.index("--second_audio")
    call = cli("add", *job[:place], *job[place + 2 :])
    assert (call.code, "second_audio: two regions need two voices" in call.err) == (2, True)


def test_an_input_that_is_made_first_is_checked_as_one(cli: Cli, job: tuple[object, ...]) -> None:
    """What another job makes is neither missing nor excused from its region."""
    assert cli("add", *job, "--label", "first").code == 0
    place = job.index("--second_audio")
    waits = (*job[: place + 1], "{{job:first}}", *job[place + 2 :])
    assert cli("add", *waits).code == 0
    call = cli("add", *waits[:-1], "0,0,50,100")
    assert (call.code, "regions: two voices need two regions" in call.err) == (2, True)


@pytest.mark.parametrize("shape", ["json", "md"])
def test_a_scene_of_a_film_has_two_voices(cli: Cli, tmp_path: Path, shape: str) -> None:
    for file in (SAMPLES / "astronaut.jpg", VOICE):
        shutil.copy(file, tmp_path)
    scene = {
        "label": "talk", "task_type": "talking_avatar", "prompt": "They talk", "input_image": "astronaut.jpg",
        "input_audio": VOICE.name, "second_audio": VOICE.name, "profile": "demo", "resolution": "128P",
        "regions": TWO if shape == "md" else [[0, 0, 45, 100], [55, 0, 45, 100]],
    }  # fmt: skip
    text = json.dumps([scene])
    if shape == "md":
        lines = "".join(f"- {key}: {value}\n" for key, value in scene.items() if key != "label")
        text = f"# ep01\n\n## talk\n{lines}"
    file = tmp_path / f"ep01.{shape}"
    file.write_text(text)
    read = cli("film", "import", file, "--json").data["films"][0]
    assert read["warnings"] == []
    asked = cli("film", "show", "ep01", "--json").data["scenes"][0]["request"]
    assert asked["second_audio"] == [str(tmp_path / VOICE.name)]
    assert asked["regions"] == TWO
    assert cli("film", "export", "ep01", "-o", tmp_path / f"again.{shape}").code == 0
    assert cli("film", "import", tmp_path / f"again.{shape}", "--name", "ep02").code == 0
    assert cli("film", "show", "ep02", "--json").data["scenes"][0]["request"] == asked

"""`film` from the shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.demo import checkpoints
from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.commands.shared.describe import FILM_KEYS, JOB_KEYS, SCENE_KEYS
from skyreels_tui.executors.fake import FakeExecutor, Script
from tests.cli.conftest import Call
from tests.cli.test_queue_commands import other_process  # noqa: F401 - a fixture

Cli = Callable[..., Call]
SAMPLES = Path(checkpoints.__file__).parent / "samples"


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
    assert status["ends_at"] is None, "nothing of it runs by itself"
    shown = cli("film", "show", "night", "--json").data
    assert set(shown) == set(FILM_KEYS) - {"ends_at"} and [one["chosen"] for one in shown["scenes"]] == [1, 2, None]
    assert set(shown["scenes"][0]) == set(SCENE_KEYS)
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


def words_for(ref: object, prompt: str = "x") -> Sequence[object]:
    return ("--profile", "demo", "--task", "reference_to_video", "--ref_imgs", ref, "--prompt", prompt)


def test_a_film_is_made_scene_by_scene(cli: Cli, picture: Path, tmp_path: Path) -> None:
    assert cli("film", "new", "ep", "--project", "show/one", "--title", "One", "--json").data["project"] == "show/one"
    assert cli("film").out.splitlines()[1].split()[:2] == ["ep", "show/one"]
    voice = SAMPLES / "voice.mp3"
    assert cli("film", "add", "ep", *words_for(picture), "--label", "a", "--narration", voice).out == "1\n"
    assert cli("film", "add", "ep", *words_for("{{prev}}"), "--label", "b", "--words", "so it is").out == "2\n"
    assert cli("list", "--json").data == [], "nothing is queued before it is run"
    assert cli("film", "status", "ep").out == "ep  0/2 done, 2 not begun\n"
    assert cli("film", "run", "ep").out == "1\n2\n"
    assert cli("film", "run", "ep").out == "", "what waits is not queued again"
    assert cli("run").code == 0
    shown = cli("film", "show", "ep", "--json").data
    assert [scene["status"] for scene in shown["scenes"]] == ["done", "done"]
    assert [scene["narration"] for scene in shown["scenes"]] == [str(voice), ""]
    made = [Path(scene["takes"][0]["output"]) for scene in shown["scenes"]]
    assert all(path.is_file() and path.parent.parent.parts[-2:] == ("show", "one") for path in made)
    # Another take, with another seed, and it stands for its scene.
    assert cli("film", "run", "ep", "--another", "--scenes", "a").out == "3\n"
    cli("run")
    scene = cli("film", "show", "ep", "--json").data["scenes"][0]
    seeds = [take["request"]["seed"] for take in scene["takes"]]
    assert scene["chosen"] == 3 and seeds[0] != seeds[1]


def test_scenes_are_edited_moved_removed_and_restored(cli: Cli, picture: Path) -> None:
    cli("film", "new", "ep")
    for label in "abc":
        cli("film", "add", "ep", *words_for(picture, f"prompt {label}"), "--label", label)
    assert cli("film", "edit", "ep", "b", "--prompt", "other", "--notes", "n").out == "2\n"
    assert cli("film", "move", "ep", "c", 1).out == "1\n"
    scenes = cli("film", "show", "ep", "--json").data["scenes"]
    assert [(scene["label"], scene["request"]["prompt"]) for scene in scenes] == [
        ("c", "prompt c"),
        ("a", "prompt a"),
        ("b", "other"),
    ]
    cli("film", "run", "ep")
    assert cli("film", "remove", "ep", 1, "b").code == 0
    assert cli("film", "status", "ep").out == "ep  0/1 done, 1 queued\n" and len(cli("list", "--json").data) == 1
    assert cli("film", "restore", "ep").out == "ep\n"
    assert cli("film", "status", "ep").out == "ep  0/3 done, 3 queued\n"
    # An edited scene whose take has ended is made from what it is now.
    cli("cancel", 2)
    cli("film", "edit", "ep", "a", "--prompt", "anew")
    assert cli("film", "run", "ep").out == "4\n"
    assert cli("show", 4, "--json").data["request"]["prompt"] == "anew"


def test_a_scene_that_cannot_be_made_holds_itself_alone(cli: Cli, picture: Path, tmp_path: Path) -> None:
    cli("film", "new", "ep")
    gone = tmp_path / "gone.jpg"
    gone.write_bytes(picture.read_bytes())
    for ref, label in ((gone, "a"), ("{{prev}}", "b"), (picture, "c")):
        cli("film", "add", "ep", *words_for(ref), "--label", label)
    gone.unlink()
    call = cli("film", "run", "ep", "--json")
    assert call.code == 1 and call.data["jobs"] == [1]
    assert [problem["field"] for problem in call.data["problems"]] == ["scene 1 (a).ref_imgs", "scene 2 (b).ref_imgs"]
    assert "scene 1 (a).ref_imgs: " in call.err


def test_a_run_is_held_begins_later_or_is_called_off(cli: Cli, picture: Path) -> None:
    cli("film", "new", "ep")
    for label in "abc":
        cli("film", "add", "ep", *words_for(picture), "--label", label)
    assert cli("film", "run", "ep", "--from", "b", "--held").out == "1\n2\n"
    assert cli("film", "status", "ep", "--json").data["states"] == {"held": 2, "not_begun": 1}
    assert cli("film", "run", "ep").out == "3\n1\n2\n"
    assert sorted(cli("film", "hold", "ep", "--json").data) == [1, 2, 3]
    assert cli("film", "status", "ep").out == "ep  0/3 done, 3 held\n"
    assert cli("film", "cancel", "ep", "--json").code == 0
    assert cli("film", "status", "ep", "--json").data["states"] == {"cancelled": 3}


@pytest.mark.parametrize(
    "project", ["/abs", "..", "a/../b", ".hidden", "a//b", "a/.b", "x\ny", "a\\b", "x" * 300, "a/", "\x1b[31m"]
)
def test_a_project_stays_below_the_results(cli: Cli, project: str) -> None:
    call = cli("film", "new", "ep", "--project", project)
    assert (call.code, call.out) == (2, "") and "project" in call.err
    assert cli("film", "list", "--json").data == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "ep", "--prompt", "x"), 2),
        (("edit", "ep", 1), 2),
        (("edit", "ep", "nobody", "--notes", "x"), 3),
        (("move", "ep", 9, 1), 3),
        (("remove", "ep", "x"), 3),
        (("run", "ep", "--from", "x"), 3),
        (("run", "none"), 3),
        (("set", "none", "--title", "x"), 3),
        (("new", "ep"), 5),
        (("new", "x\x1b[0m"), 2),
        (("set", "ep", "--music", "/nowhere.mp3"), 2),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_refused(cli: Cli, picture: Path, words: Sequence[object], code: int) -> None:
    cli("film", "new", "ep")
    cli("film", "add", "ep", *words_for(picture), "--label", "a")
    before = cli("film", "show", "ep", "--json").data
    call = cli("film", *words)
    assert (call.code, call.out) == (code, "") and call.err
    assert cli("film", "show", "ep", "--json").data == before


def test_a_film_says_when_it_ends_while_somebody_runs_its_jobs(
    cli: Cli,
    picture: Path,
    other_process: FakeExecutor,  # noqa: F811
) -> None:
    cli("film", "new", "ep")
    for label in "ab":
        cli("film", "add", "ep", *words_for(picture, label), "--label", label)
    assert "ends" not in cli("film", "status", "ep").out
    cli("film", "run", "ep")
    assert re.search(r"2 queued|1 queued, 1 running", cli("film", "status", "ep").out)
    assert re.search(r"  ends .*\d\d:\d\d\n$", cli("film", "status", "ep").out)
    end = datetime.fromisoformat(cli("film", "status", "ep", "--json").data["ends_at"])
    assert end.tzinfo is not None and end > datetime.now(UTC) - timedelta(seconds=5)

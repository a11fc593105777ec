"""Films dropped into the inbox: every shape that an import takes, what is refused, and a kill at every point."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from skyreels_tui.films.at_once import films_at_once
from skyreels_tui.queue.batches.inbox import Inbox
from skyreels_tui.queue.service import QueueService
from tests.cli.conftest import Call
from tests.films.conftest import SAMPLES
from tests.films.test_import import scene, shapes
from tests.queue.harness import home_of, in_child
from tests.queue.points import Counter, kill_me, watched_disk

Cli = Callable[..., Call]

SMALL = {"profile": "demo", "resolution": "128P", "duration": 1}


@pytest.fixture
def box(cli: Cli, project: Path) -> Path:
    """The inbox of the queue: the folder in which his page keeps its files."""
    cli("settings", "set", "inbox", project / "queues")
    return project / "queues"


def drop(box: Path, content: object, name: str = "ep01.json") -> None:
    path = box / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    os.utime(path, (1, 1))


def report(box: Path, folder: str = "done", name: str = "ep01.json") -> str:
    assert (box / folder / name).is_file(), [str(path) for path in box.rglob("*.txt")]
    return (box / folder / f"{name}.txt").read_text("utf-8")


def foreign(count: int) -> list[dict[str, Any]]:
    """Scenes with keys that another page writes; the last has a picture that is not there."""
    entries = [scene(label=f"s{n}", id=n, mood="dark", audio_text=f"line {n}", **SMALL) for n in range(count)]
    entries[-1]["ref_imgs"] = ["ref/none.png"]
    return entries


@pytest.mark.parametrize("shape", ["array", "object", "list of objects", "markdown"])
def test_every_shape_that_an_import_takes_is_taken(cli: Cli, box: Path, shape: str) -> None:
    name = "ep01.md" if shape == "markdown" else "ep01.json"
    drop(box, shapes(foreign(4))[shape], name)
    assert cli("run").code == 0
    film = cli("film", "show", "ep01", "--json").data
    assert [one["label"] for one in film["scenes"]] == ["s0", "s1", "s2", "s3"]
    assert [one["status"] for one in film["scenes"]] == ["done", "done", "done", "not_begun"]
    assert [one["words"] for one in film["scenes"]] == [f"line {n}" for n in range(4)]
    said = report(box, name=name)
    assert "3 jobs queued" in said and "films: ep01" in said and "job 3 s2" in said
    assert "warning: mood: kept with the scene" in said
    assert "waits: scene 4 (s3).ref_imgs: ref/none.png: no such file" in said
    assert said.count("warning:") == 1 and said.count("waits:") == 1


def test_a_list_of_objects_is_as_many_films_in_their_projects(cli: Cli, box: Path) -> None:
    drop(box, [{"name": name, "project": "show", "jobs": [scene(**SMALL)]} for name in ("one", "two")])
    assert len(cli("run").out.splitlines()) == 2
    assert [(film["name"], film["project"]) for film in cli("film", "--json").data] == [
        ("two", "show"),
        ("one", "show"),
    ]


def test_references_by_number_and_a_clip_that_is_there(cli: Cli, box: Path, project: Path) -> None:
    shutil.copy(SAMPLES / "clip.mp4", project / "result" / "reference_to_video" / "1_a.mp4")
    done = {"status": "done", "output_video": "result/reference_to_video/1_a.mp4"}
    later = {"task_type": "single_shot_extension", "ref_imgs": ..., "input_video": "{{job:0}}", "duration": 5}
    drop(box, [scene(label="a", **(SMALL | done)), scene(label="b", **(SMALL | later))])
    cli("run")
    assert [one["status"] for one in cli("film", "show", "ep01", "--json").data["scenes"]] == ["done", "done"]
    assert "1 job queued" in report(box), "what is there is not made again"


def test_what_a_command_makes_is_waited_for(cli: Cli, box: Path, tmp_path: Path) -> None:
    speaks = tmp_path / "speaks.sh"
    speaks.write_text(f'#!/bin/sh\ncp {shlex.quote(str(SAMPLES / "voice.mp3"))} "$1"\n')
    speaks.chmod(0o755)
    cli("settings", "set", "voice_command", f"{shlex.quote(str(speaks))} {{out}}")
    speaker = {"task_type": "talking_avatar", "prompt": "x", **SMALL, "input_image": "../ref/hero.png"}
    drop(box, [{**speaker, "label": "she", "audio_text": "Good evening"}])
    cli("run")
    [one] = cli("film", "show", "ep01", "--json").data["scenes"]
    assert one["status"] == "done" and one["request"]["input_audio"]


REFUSED = {
    "a mistake": ({"name": "ep", "jobs": [scene(**SMALL), scene(label="bad", prompt="", **SMALL)]}, "scene 2 (bad).pr"),
    "no scene": ({"name": "ep", "jobs": []}, "there is no scene in it"),
    "an unknown task": ([scene(task_type="paint", mood=1)], "scene 1 (street).task_type"),
    "a project outside": ({"name": "ep", "project": "../up", "jobs": [scene(**SMALL)]}, "project"),
    "no such label": ([scene(mood=1, input_video="{{job:nobody}}", task_type="single_shot_extension")], "nobody"),
    "a name of half letters": ({"name": "\ud800", "jobs": [scene(**SMALL)]}, "name"),
    "a name of nothing to see": ({"name": "\x1b[2J", "jobs": [scene(**SMALL)]}, "name"),
    "one name twice": ([{"name": "ep", "jobs": [scene(**SMALL)]} for _ in range(2)], "a film 'ep' already"),
    "a misspelt key": ([scene(label="x", prompt=..., promt="a street", **SMALL)], "warning: promt: kept"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_film_is_set_aside_with_its_problems(cli: Cli, box: Path, kind: str) -> None:
    content, words = REFUSED[kind]
    drop(box, content)
    assert cli("run").code == 0
    said = report(box, "rejected")
    assert said.startswith("ep01.json was not queued") and words in said and said.replace("\n", "").isprintable()
    assert cli("film", "--json").data == [] and cli("list", "--json").data == []


def test_a_name_that_is_taken_is_refused_and_nothing_doubled(cli: Cli, box: Path) -> None:
    content = {"name": "ep", "jobs": [scene(**SMALL)]}
    drop(box, content)
    cli("run")
    drop(box, content, "again.json")
    cli("run")
    assert "there is a film 'ep' already" in report(box, "rejected", "again.json")
    assert len(cli("list", "--json").data) == 1


def test_web_addresses_are_never_fetched(cli: Cli, box: Path) -> None:
    drop(
        box,
        [scene(label="a", mood=1, **SMALL), scene(label="b", **(SMALL | {"ref_imgs": ["http://127.0.0.1:9/x.png"]}))],
    )
    cli("run")
    assert "waits: scene 2 (b).ref_imgs: a web address is fetched only when you say so" in report(box)
    assert [row["label"] for row in cli("list", "--json").data] == ["a"]


def take(root: Path, project: Path, tell: Callable[[str], None], kill_at: int | None) -> list[str]:
    """One look into the inbox; returns the points that it passed."""
    watch = Counter(kill_at, kill_me)
    with watched_disk(root, watch):
        service = QueueService(home_of(root), root / "result", lambda _: None)
        read = partial(films_at_once, service, helps=())
        inbox = Inbox(
            root / "box",
            service,
            lambda text, level: tell(text),
            lambda: None,
            quiet_s=0,
            read_films=lambda file, place, begun: read(file, place, begun=begun),
        )
        inbox.look()
        service.close()
    return watch.names


@pytest.mark.parametrize("kills", [4, 24])
def test_a_kill_at_every_point_makes_a_film_once(tmp_path: Path, project: Path, kills: int) -> None:
    """So many kills, spread over the points that a whole look passes."""

    def prepared(name: str) -> Path:
        root = tmp_path / name
        (root / "box" / ".taking").mkdir(parents=True)
        shutil.copytree(project / "ref", root / "ref")
        drop(root / "box", [{"name": n, "jobs": foreign(3)} for n in ("one", "two")])
        return root

    whole = in_child(lambda tell: take(prepared("whole"), project, tell, None))
    assert not whole.error and len(whole.points) > 20, whole.error
    for place in range(1, len(whole.points), max(1, len(whole.points) // kills)):
        root = prepared(f"killed-{place}")
        killed = in_child(lambda tell, root=root, place=place: take(root, project, tell, place))
        assert killed.killed and not killed.error, killed.error
        again = in_child(lambda tell, root=root: take(root, project, tell, None))
        assert not again.error, again.error
        service = QueueService(home_of(root), root / "result", lambda _: None)
        films = {film.name: [len(one.takes) for one in film.scenes] for film in service.films()}
        jobs = len(service.jobs())
        service.close()
        assert films == {"one": [1, 1, 0], "two": [1, 1, 0]} and jobs == 4, (place, whole.points[place - 1])
        assert not list((root / "box" / ".taking").iterdir())
        [put_away] = (root / "box" / "done").glob("*.json")
        assert "4 jobs queued" in put_away.with_name(f"{put_away.name}.txt").read_text(), "whatever name was free"

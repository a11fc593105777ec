"""A film killed at points of its making, running and joining: begun again it is made once, and nothing is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.tasks.film import FilmJoin
from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.films.helping import SceneHelp
from skyreels_tui.films.takes import run_film
from skyreels_tui.queue.film import FilmFacts, NewFilm, NewScene, Scene, SceneFacts
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueOptions, QueueService
from tests.films.conftest import SAMPLES
from tests.films.test_helpers import program
from tests.media.films import h264, moving, tone
from tests.queue.harness import LIMIT_S, Watched, home_of, import_early, in_child, problems, run_queue
from tests.queue.points import Counter, kill_me, watched_disk


def spread(points: int, kills: int) -> list[int]:
    """Where to kill: the first point, the last and others evenly between them."""
    return sorted({1 + (points - 1) * n // (kills - 1) for n in range(kills)})


def request(root: Path) -> FilmJoin:
    root.mkdir(parents=True, exist_ok=True)
    clips = tuple(str(h264(root / f"{name}.mp4", moving(24, 48, 64), 24)) for name in ("a", "b"))
    tone(root / "voice.wav", 0.5)
    return FilmJoin(
        film="ep", clips=clips, labels=("a", "b"), narrations=(str(root / "voice.wav"), ""), words=("x", "")
    )


@pytest.mark.parametrize("kills", [2, 5])
def test_a_killed_join_is_done_once(tmp_path: Path, kills: int) -> None:
    """Killed so often, at points spread over those that a whole run passes."""
    wanted = [request(tmp_path / "clips")]
    import_early(wanted)
    whole = in_child(lambda tell: run_queue(tmp_path / "whole", FakeExecutor, wanted, tell))
    assert not whole.error and whole.points, whole.error
    count = len(whole.points)
    for place in spread(count, kills):
        root = tmp_path / f"killed-{place}"
        killed = in_child(lambda tell, root=root, place=place: run_queue(root, FakeExecutor, wanted, tell, place))
        assert not killed.error, killed.error
        again = in_child(lambda tell, root=root: run_queue(root, FakeExecutor, wanted, tell, None, False))
        assert not again.error, again.error
        assert problems(root, [*killed.journal, *again.journal], 1) == [], (place, whole.points[place - 1])
        films = sorted(path.name for path in (root / "result" / "films").iterdir())
        assert [Path(name).suffix for name in films] == [".json", ".mp4", ".srt"], films


# Making and running a film


def take(label: str, **values: object) -> NewScene:
    fields = {"prompt": "x", "ref_imgs": (str(SAMPLES / "astronaut.jpg"),), "profile": "demo", "resolution": "128P"}
    return NewScene(ReferenceToVideo(**{**fields, **values}), label, SceneFacts(words="hi" if label == "b" else ""))


def scene_named(service: QueueService, name: str) -> Scene:
    return next(scene for scene in service.film("ep").scenes if scene.name == name)


def names(service: QueueService) -> list[str]:
    return [scene.name for scene in service.film("ep").scenes]


def begin(service: QueueService) -> None:
    service.actions.films.create(NewFilm("ep", "show", FilmFacts("Title"), tuple(map(take, "abc"))))


def add(service: QueueService) -> None:
    goes_on = take("d", ref_imgs=("{{prev}}",))
    service.actions.films.add("ep", [goes_on], str(service.actions.results_of("ep")), [1])


def edit(service: QueueService) -> None:
    scene = scene_named(service, "c")
    request = dataclasses.replace(scene.request, prompt="other words")
    service.actions.films.write(dataclasses.replace(scene, request_json=request.to_json()))


def move(service: QueueService) -> None:
    service.actions.films.move("ep", scene_named(service, "a").id, 0)
    service.actions.films.move("ep", scene_named(service, "d").id, 3)


def remove(service: QueueService) -> None:
    service.actions.films.remove("ep", [scene_named(service, "c").id])


def restore(service: QueueService) -> None:
    service.actions.films.restore("ep", service.actions.films.hidden("ep"))


def run(service: QueueService) -> None:
    run_film(service, service.film("ep"), helps=["voice"])


STEPS: tuple[tuple[str, Callable[[QueueService], None], Callable[[QueueService], bool]], ...] = (
    ("begun", begin, lambda s: any(film.name == "ep" for film in s.films())),
    ("added", add, lambda s: len(s.film("ep").scenes) + len(s.actions.films.hidden("ep")) == 4),
    ("edited", edit, lambda s: "c" not in names(s) or scene_named(s, "c").request.prompt == "other words"),
    ("moved", move, lambda s: [name for name in names(s) if name != "c"] == ["a", "b", "d"]),
    ("removed", remove, lambda s: bool(s.actions.films.hidden("ep")) or s.film("ep").not_begun < 4),
    ("restored", restore, lambda s: not s.actions.films.hidden("ep")),
    ("run", run, lambda s: all(scene.takes for scene in s.film("ep").scenes)),
)


def make_film(
    root: Path, voice: str, acknowledge: Callable[[str], None], kill_at: int | None = None, *, count: bool = True
) -> list[str]:
    """Take the steps that are not taken yet, run it all; returns the points that it passed."""
    watch = Counter(kill_at, kill_me)
    passing: Callable[[str, str, str], None] = watch if count else (lambda *_: None)
    removed_before = (root / "removed").exists()
    with watched_disk(root, passing):
        service = QueueService(
            home_of(root),
            root / "result",
            lambda _event: None,
            executor=lambda: Watched(FakeExecutor(), passing),
            options=QueueOptions(auto_resume=True),
            companion=lambda queue: SceneHelp(queue, lambda: {"voice": voice, "picture": ""}, lambda _: None),
        )
        for name, do, done in STEPS:
            if done(service) or (name == "removed" and removed_before):
                continue
            do(service)
            assert done(service), name
            acknowledge(name)
            if name == "removed":
                (root / "removed").write_text("")
        service.start()
        assert service.wait_idle(LIMIT_S)
        acknowledge("made")
        service.close()
    return watch.names


def wrong_with(root: Path) -> list[str]:
    """What is lost or doubled in the film that is left."""
    service = QueueService(home_of(root), root / "result", lambda _event: None)
    try:
        film = service.film("ep")
        found = [] if sorted(names(service)) == list("abcd") else [f"scenes are {names(service)}"]
        found += [f"{one.name} has {len(one.takes)} takes" for one in film.scenes if len(one.takes) != 1]
        found += [f"{one.name} is {one.state}" for one in film.scenes if one.state is not JobState.DONE]
        made = sorted(str(path) for path in (root / "result").rglob("*.mp4"))
        if made != sorted(one.chosen.output for one in film.scenes if one.chosen):
            found.append(f"files are {made}")
        voices = list((root / "result" / "show" / "voices").glob("*.wav"))
        if [scene_named(service, "b").facts.narration] != [str(path) for path in voices]:
            found.append(f"voices are {voices}")
        if film.project != "show" or film.facts.title != "Title":
            found.append("the film's own words are lost")
        return found
    finally:
        service.close()


@pytest.mark.parametrize("kills", [3, 16])
def test_a_film_that_is_killed_while_it_is_made_and_run_is_made_once(tmp_path: Path, kills: int) -> None:
    body = f"import shutil, sys; shutil.copy({str(SAMPLES / 'voice.mp3')!r}, sys.argv[1])"
    voice = f"{program(tmp_path / 'speaks.py', body)} {{out}}"
    import_early([take("a").request])
    whole = in_child(lambda tell: make_film(tmp_path / "whole", voice, tell))
    assert not whole.error and whole.points and wrong_with(tmp_path / "whole") == [], whole.error
    total = len(whole.points)
    for place in spread(total, kills):
        root = tmp_path / f"killed-{place}"
        killed = in_child(lambda tell, root=root, place=place: make_film(root, voice, tell, place))
        assert not killed.error, killed.error
        again = in_child(lambda tell, root=root: make_film(root, voice, tell, count=False))
        assert not again.error, (place, again.error)
        taken = [name for name in killed.journal if name in again.journal]
        assert not taken or taken == ["made"], f"what was acknowledged is not done again: {taken}"
        assert wrong_with(root) == [], (place, whole.points[min(place, total) - 1])

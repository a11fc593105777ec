"""Voices and pictures made before a scene's job by the process that runs the queue: it waits, the others go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.front.request import Request
from pipelines.media.read.probe import probe_audio, probe_image
from pipelines.tasks.reference_to_video import ReferenceToVideo
from pipelines.tasks.talking_avatar import TalkingAvatar
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.films.helpers import LIMITS, HelperLimits
from skyreels_tui.films.helping import SceneHelp
from skyreels_tui.films.takes import Which, run_film
from skyreels_tui.queue.events import FilmEnded
from skyreels_tui.queue.film import Film, NewFilm, NewScene, SceneFacts
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueService
from tests.films.conftest import SAMPLES
from tests.films.test_helpers import BAD, program

LIMIT_S = 60.0


@dataclass
class Made:
    """A queue whose owner has voice and picture commands."""

    folder: Path
    commands: dict[str, str] = field(default_factory=lambda: {"voice": "", "picture": ""})
    limits: HelperLimits = LIMITS
    executor: FakeExecutor = field(default_factory=FakeExecutor)
    events: list[object] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    services: list[QueueService] = field(default_factory=list)

    def open(self) -> QueueService:
        service = QueueService(
            find_folders({"SKYREELS_TUI_HOME": str(self.folder / "home")}),
            self.folder / "result",
            self.events.append,
            executor=lambda: self.executor,
            companion=lambda queue: SceneHelp(queue, lambda: self.commands, self.log.append, self.limits),
        )
        self.services.append(service)
        return service

    @property
    def helps(self) -> list[str]:
        return [kind for kind, command in self.commands.items() if command]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    one = Made(tmp_path)
    yield one
    for service in one.services:
        service.close()


def film(service: QueueService, *scenes: NewScene) -> Film:
    service.actions.films.create(NewFilm("ep", "show", scenes=scenes))
    return service.film("ep")


def reference(**values: object) -> ReferenceToVideo:
    fields = {"prompt": "x", "ref_imgs": (str(SAMPLES / "astronaut.jpg"),), "profile": "demo", "resolution": "128P"}
    return ReferenceToVideo(**{**fields, **values})


def avatar(**values: object) -> TalkingAvatar:
    fields = {"prompt": "x", "input_image": (str(SAMPLES / "astronaut.jpg"),), "profile": "demo", "resolution": "128P"}
    return TalkingAvatar(**{**fields, **values})


def speaking(tmp_path: Path, before: str = "") -> str:
    body = f"import pathlib, shutil, sys\nwords = sys.stdin.read()\n{before}\n"
    body += f"pathlib.Path({str(tmp_path / 'said')!r}).open('a').write(words + '|')\n"
    body += f"shutil.copy({str(SAMPLES / 'voice.mp3')!r}, sys.argv[1])"
    return f"{program(tmp_path / 'speaks.py', body)} {{out}}"


def run_all(service: QueueService) -> Film:
    service.start()
    assert service.wait_idle(LIMIT_S)
    return service.film("ep")


def told(made: Made) -> list[Film]:
    """Films that were said to have ended: the last row is written a moment before it is told."""
    until = time.monotonic() + LIMIT_S
    while not (found := [one.film for one in made.events if isinstance(one, FilmEnded)]) and time.monotonic() < until:
        made.services[-1].wait_idle(0.01)
    return found


def test_a_voice_is_made_before_the_job_that_needs_it(made: Made, tmp_path: Path) -> None:
    made.commands["voice"] = speaking(tmp_path)
    service = made.open()
    ep = film(
        service,
        NewScene(avatar(), "she", SceneFacts(words="Good evening")),
        NewScene(reference(), "street", SceneFacts(words="The street")),
        NewScene(reference(), "silent"),
    )
    jobs = run_film(service, ep, helps=made.helps).jobs
    assert [job.state for job in jobs] == [JobState.BLOCKED, JobState.QUEUED, JobState.QUEUED]
    assert jobs[0].reason.code is Code.WAITS_FOR_VOICE
    assert service.film("ep").goes_on
    ep = run_all(service)
    assert ep.is_done and (tmp_path / "said").read_text() == "Good evening|The street|"
    she, street, silent = ep.scenes
    voice = she.takes[0].request.input_audio[0]
    assert she.request.input_audio == (voice,) and probe_audio(voice).duration_s > 0
    assert Path(voice).parent.parts[-2:] == ("show", "voices")
    assert probe_audio(street.facts.narration).duration_s > 0 and not silent.facts.narration
    assert [one.name for one in told(made)] == ["ep"], "once, at the end"


def test_a_picture_is_drawn_before_the_job_that_needs_it(made: Made, tmp_path: Path) -> None:
    body = f"import shutil, sys; shutil.copy({str(SAMPLES / 'astronaut.jpg')!r}, sys.argv[1])"
    made.commands["picture"] = f"{program(tmp_path / 'draws.py', body)} {{out}} {{text}}"
    service = made.open()
    ep = film(service, NewScene(reference(ref_imgs=()), "hero", SceneFacts(picture_prompt="a hero")))
    [job] = run_film(service, ep, helps=made.helps).jobs
    assert job.reason.code is Code.WAITS_FOR_PICTURE
    ep = run_all(service)
    assert ep.is_done and probe_image(ep.scenes[0].request.ref_imgs[0]).width > 0


def test_both_are_made_for_one_scene(made: Made, tmp_path: Path) -> None:
    body = f"import shutil, sys; shutil.copy({str(SAMPLES / 'astronaut.jpg')!r}, sys.argv[1])"
    made.commands |= {"picture": f"{program(tmp_path / 'd.py', body)} {{out}}", "voice": speaking(tmp_path)}
    service = made.open()
    facts = SceneFacts(words="hi", picture_prompt="she")
    ep = film(service, NewScene(avatar(input_image=()), "she", facts))
    run_film(service, ep, helps=made.helps)
    assert run_all(service).is_done


@pytest.mark.parametrize("kind", [kind for kind in BAD if "children" not in kind])
def test_a_bad_command_is_told_at_its_scene_and_the_film_goes_on(made: Made, tmp_path: Path, kind: str) -> None:
    body, words = BAD[kind]
    made.limits = HelperLimits(1.0 if "hangs" in kind else 60.0, 8 << 20)
    made.commands["voice"] = f"{program(tmp_path / 'bad.py', body)} {{out}}"
    service = made.open()
    ep = film(
        service,
        NewScene(avatar(), "she", SceneFacts(words="Good evening")),
        NewScene(reference(), "street", SceneFacts(words="The street")),
        NewScene(reference(), "silent"),
    )
    run_film(service, ep, helps=made.helps)
    ep = run_all(service)
    she, street, silent = ep.scenes
    assert she.state is JobState.FAILED and words in she.takes[0].error and "\x1b" not in she.takes[0].error
    assert she.facts.trouble in she.takes[0].error
    # A clip needs no narration: it is made, and the scene says what is wrong with its sound.
    assert street.state is JobState.DONE and words in street.facts.trouble and not street.facts.narration
    assert silent.state is JobState.DONE and not silent.facts.trouble
    [ended] = told(made)
    assert ended.counts[JobState.FAILED] == 1


def test_what_failed_is_tried_again_by_a_resume(made: Made, tmp_path: Path) -> None:
    made.commands["voice"] = f"{program(tmp_path / 'bad.py', 'import sys; sys.exit(3)')} {{out}}"
    service = made.open()
    ep = film(service, NewScene(avatar(), "she", SceneFacts(words="hi")), NewScene(reference(), "next"))
    run_film(service, ep, helps=made.helps)
    assert run_all(service).scenes[0].state is JobState.FAILED
    made.commands["voice"] = speaking(tmp_path)
    [again] = run_film(service, service.film("ep"), Which.FAILED, helps=made.helps).jobs
    assert service.wait_idle(LIMIT_S)
    ep = service.film("ep")
    assert ep.is_done and ep.scenes[0].takes[-1].id == again.id and not ep.scenes[0].facts.trouble


def test_without_a_command_the_scene_is_refused_as_ever(made: Made) -> None:
    service = made.open()
    ep = film(service, NewScene(avatar(), "she", SceneFacts(words="hi")), NewScene(reference(), "next"))
    outcome = run_film(service, ep, helps=made.helps)
    assert len(outcome.jobs) == 1 and "scene 1 (she).input_audio" in outcome.problems[0].field


def test_a_command_that_was_taken_away_leaves_no_job_waiting_for_ever(made: Made, tmp_path: Path) -> None:
    made.commands["voice"] = speaking(tmp_path)
    service = made.open()
    ep = film(service, NewScene(avatar(), "she", SceneFacts(words="hi")))
    run_film(service, ep, helps=made.helps)
    made.commands["voice"] = ""
    ep = run_all(service)
    assert ep.scenes[0].state is JobState.FAILED and "no command is set" in ep.scenes[0].facts.trouble


def test_leaving_ends_the_command_and_the_next_start_makes_the_voice(made: Made, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    wait = f"pathlib.Path({str(begun)!r}).write_text('')\nimport time\ntime.sleep(600)"
    made.commands["voice"] = speaking(tmp_path, wait)
    service = made.open()
    ep = film(service, NewScene(avatar(), "she", SceneFacts(words="hi")))
    run_film(service, ep, helps=made.helps)
    service.start()
    assert not service.wait_idle(0.1), "a voice that is being made is something to wait for"
    while not begun.exists():
        service.wait_idle(0.05)
    assert service.close(timeout_s=LIMIT_S)
    made.services.clear()
    made.commands["voice"] = speaking(tmp_path)
    ep = run_all(made.open())
    assert ep.is_done and len(ep.scenes[0].takes) == 1
    assert sorted(one.suffix for one in (tmp_path / "result" / "show" / "voices").iterdir()) == [".wav"]


def test_what_a_killed_run_has_made_is_taken_and_not_made_twice(made: Made, tmp_path: Path) -> None:
    made.commands["voice"] = speaking(tmp_path)
    service = made.open()
    scenes = [NewScene(reference(), "a", SceneFacts(words="hi"))]
    ep = film(service, *scenes)
    run_film(service, ep, helps=made.helps)
    ep = run_all(service)
    voice = Path(ep.scenes[0].facts.narration)
    # As if the program had died between the file and the row.
    facts = SceneFacts(words="hi", asked="voice")
    service.actions.films.write(type(ep.scenes[0])(**{**_fields(ep.scenes[0]), "facts": facts}))
    service.actions.wake()
    assert service.wait_idle(LIMIT_S)
    assert service.film("ep").scenes[0].facts.narration == str(voice)
    assert (tmp_path / "said").read_text() == "hi|" and len(list(voice.parent.iterdir())) == 1


def _fields(scene: object) -> dict[str, object]:
    return {name: getattr(scene, name) for name in scene.__slots__}  # type: ignore[attr-defined]  # a dataclass


@pytest.mark.parametrize("request_", [avatar(input_audio=("{{voice}}",)), reference(ref_imgs=("{{picture}}",))])
def test_nothing_is_made_for_a_job_of_no_scene(made: Made, request_: Request) -> None:
    service = made.open()
    with pytest.raises(Exception, match="only for a scene of a film"):
        service.actions.add(request_)
    assert service.jobs() == []


@pytest.mark.parametrize("prompt", ["{{voice}}", "{{picture}}", '"{{voice}}"'])
def test_a_prompt_is_never_taken_for_what_is_made_first(made: Made, prompt: str) -> None:
    service = made.open()
    ep = film(service, NewScene(reference(prompt=prompt), "a"))
    run_film(service, ep)
    assert run_all(service).is_done


def test_a_word_asked_anew_is_spoken_anew(made: Made, tmp_path: Path) -> None:
    made.commands["voice"] = speaking(tmp_path)
    service = made.open()
    ep = film(service, NewScene(reference(), "a", SceneFacts(words="hi", asked="voice")))
    ep = run_all(service)
    assert not ep.scenes[0].facts.asked and ep.scenes[0].facts.narration
    assert (tmp_path / "said").read_text() == "hi|"

"""Makes takes of scenes: which ones get a job, and what keeps the others from one."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.tasks.film import scene_words
from skyreels_tui.films.lacking import MEDIA, fillable, with_made_first
from skyreels_tui.queue.film import HOLDABLE, Film, Scene, can_run
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.requests.references import field_of

_SEEDS = 2**31


class Which(StrEnum):
    """What a run makes."""

    ALL = "all"
    """Every scene that has no finished take and for which nothing waits or runs."""
    FAILED = "failed"
    """Scenes whose newest take failed; what waits for them follows by itself."""
    ANOTHER = "another"
    """One more take of each scene, with a new seed."""


@dataclass(slots=True)
class RunOutcome:
    """What a run has done."""

    jobs: list[Job] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """Why scenes got no job: 'scene 4 (opening).ref_imgs'."""


def new_seed() -> int:
    """Draw a seed."""
    return secrets.randbelow(_SEEDS)


def run_film(
    queue: QueueService,
    film: Film,
    which: Which = Which.ALL,
    *,
    only: Collection[int] | None = None,
    held: bool = False,
    helps: Collection[str] = (),
    seed: Callable[[], int] = new_seed,
) -> RunOutcome:
    """Give the scenes (those of the ids `only`, when given) their jobs, in order; one that cannot have one is told.

    `helps` are the kinds, 'voice' and 'picture', for which a person has a command: then a job waits for what its scene
    lacks instead of being refused.
    """
    made = RunOutcome()
    for number, scene in enumerate(film.scenes, 1):
        if only is not None and scene.id not in only:
            continue
        if which is not Which.FAILED or scene.facts.trouble:
            # Before the job: a crash between the two must not forget the voice.
            _ask_for_help(queue, scene, helps)
        try:
            job = _take(queue, film, scene, which, held, seed, helps)
        except InvalidRequest as error:
            where = scene_words(number, scene.name)
            made.problems += [Problem(f"{where}.{problem.field}", problem.message) for problem in error.problems]
        else:
            made.jobs += [job] if job is not None else []
    return made


def hold_film(queue: QueueService, film: Film) -> list[Job]:
    """Hold every job of a film that waits; the running one goes on."""
    waiting = [take for take in _all_takes(film) if take.state in HOLDABLE]
    return [queue.actions.hold(take.id) for take in waiting]


def cancel_film(queue: QueueService, film: Film) -> list[Job]:
    """Cancel every job of a film that has not ended."""
    return [queue.actions.cancel(take.id) for take in _all_takes(film) if take.state not in FINISHED]


def _all_takes(film: Film) -> Sequence[Job]:
    return [take for scene in film.scenes for take in scene.takes]


def _take(
    queue: QueueService,
    film: Film,
    scene: Scene,
    which: Which,
    held: bool,
    seed: Callable[[], int],
    helps: Collection[str],
) -> Job | None:
    newest = scene.takes[-1] if scene.takes else None
    if which is Which.ANOTHER:
        return _new(queue, film, scene, held, seed(), helps)
    if not can_run(scene):
        return None
    if which is Which.FAILED and (newest is None or newest.state is not JobState.FAILED):
        return None
    edited = newest is not None and scene.request_json not in ("", newest.request_json)
    if newest is None or (edited and newest.state in FINISHED):
        return _new(queue, film, scene, held, None, helps)
    if held and newest.state in (JobState.HELD, JobState.INTERRUPTED):
        return None
    job = queue.actions.again(newest.id)
    return queue.actions.hold(job.id) if held else job


def _ask_for_help(queue: QueueService, scene: Scene, helps: Collection[str]) -> None:
    """Let a narration be spoken while the clip is made; what could not be made before is tried again."""
    speaks = "voice" in helps and scene.facts.words and not scene.facts.narration
    asked = "voice" if speaks and not field_of(scene.task, MEDIA["voice"]) else scene.facts.asked
    facts = dataclasses.replace(scene.facts, trouble="", asked=asked)
    if facts != scene.facts:
        queue.actions.films.write(dataclasses.replace(scene, facts=facts))


def _new(queue: QueueService, film: Film, scene: Scene, held: bool, seed: int | None, helps: Collection[str]) -> Job:
    request = scene.request if seed is None else dataclasses.replace(scene.request, seed=seed)
    request = with_made_first(request, {name: kind for name, kind in fillable(scene).items() if kind in helps})
    return queue.actions.add_many([NewJob(request, scene.name, film.name, held, scene=scene.id)])[0]

"""Asks for a film as one video: the chosen takes of its scenes in order, with what lies under them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.front.errors import InvalidRequest, MediaError, Problem
from pipelines.front.language import tr
from pipelines.joining.layout import lay_out
from pipelines.tasks.film import FilmJoin, scene_words
from skyreels_tui.queue.film import Film
from skyreels_tui.queue.model import FINISHED, Job
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.requests.references import reference_fields


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How a film is joined."""

    overlong: str = "hold"
    """What becomes of a narration that is longer than its clip: 'hold', 'run_on' or 'refuse'."""
    cross_fade: int = 0
    """Frames."""
    music_percent: int = 28
    without_missing: bool = False
    """Leave out scenes that have no clip and for which none is being made."""


def join_request(film: Film, options: JoinOptions) -> FilmJoin:
    """What joins a film; a clip that is still being made is waited for. Raises InvalidRequest naming the scenes."""
    rows: list[tuple[str, str, str, str, str]] = []
    problems = []
    for number, scene in enumerate(film.scenes, 1):
        clip = ""
        if scene.chosen is not None:
            clip = scene.chosen.output
        elif scene.takes and scene.takes[-1].state not in FINISHED:
            clip = f"{{{{job:#{scene.takes[-1].id}}}}}"
        if clip:
            facts = scene.facts
            rows.append((clip, scene.name, facts.narration, facts.words, facts.music))
        elif not options.without_missing:
            where = scene_words(number, scene.name)
            problems.append(Problem(where, tr("has no finished clip: run it, or leave it out")))
    if not rows and not problems:
        problems.append(Problem("film", tr("{film!r} has no finished clip to join", film=film.name)))
    if problems:
        raise InvalidRequest(problems)
    clips, labels, narrations, words, music_of = (tuple(column) for column in zip(*rows, strict=True))
    return FilmJoin(
        film=film.name,
        title=film.facts.title,
        clips=clips,
        labels=labels,
        narrations=narrations,
        words=words,
        music_of=music_of,
        music=film.facts.music,
        music_percent=options.music_percent,
        overlong=options.overlong,
        cross_fade=options.cross_fade,
    )


def join_remarks(request: FilmJoin) -> tuple[str, ...]:
    """What a person should know before; () while clips are still being made. Raises InvalidRequest."""
    if reference_fields(request):
        return ()
    try:
        return lay_out(request).remarks
    except MediaError as error:
        raise InvalidRequest([Problem("film", str(error))]) from error


def queue_join(queue: QueueService, request: FilmJoin) -> Job:
    """Queue the join as a job of its own."""
    folder = str(Path(queue.actions.results_of(request.film)))
    return queue.actions.add_many([NewJob(request, request.film, result_dir=folder)])[0]

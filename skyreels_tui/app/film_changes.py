"""What the keys of the films' screens do to the queue; on the thread of changes, for it opens input files."""

from __future__ import annotations

from pipelines.front.language import tr, trn
from skyreels_tui.films.joining import JoinOptions, join_remarks, join_request, queue_join
from skyreels_tui.films.takes import RunOutcome, Which, cancel_film, hold_film, run_film
from skyreels_tui.queue.service import QueueService
from skyreels_tui.ui.intents import ChangeFilm, FilmAct


def carry_out(queue: QueueService, intent: ChangeFilm) -> list[str]:
    """Do it; returns what to say. Raises what the queue refuses."""
    film, films = queue.film(intent.film), queue.actions.films
    only = set(intent.ids) or None
    match intent.act:
        case FilmAct.RUN:
            return _told(run_film(queue, film, Which.ALL, only=only))
        case FilmAct.RESUME:
            return _told(run_film(queue, film, Which.FAILED, only=only))
        case FilmAct.ANOTHER:
            return _told(run_film(queue, film, Which.ANOTHER, only=only))
        case FilmAct.HOLD:
            count = len(hold_film(queue, film))
            return [trn("{count} job held", "{count} jobs held", count)]
        case FilmAct.CANCEL:
            count = len(cancel_film(queue, film))
            return [trn("{count} job cancelled", "{count} jobs cancelled", count)]
        case FilmAct.CHOOSE:
            queue.actions.choose_takes(intent.ids)
        case FilmAct.MOVE:
            films.move(film.name, intent.ids[0], intent.place)
            queue.actions.wake()
        case FilmAct.REMOVE:
            films.remove(film.name, intent.ids)
            return [trn("{count} scene removed; u undoes it", "{count} scenes removed; u undoes it", len(intent.ids))]
        case FilmAct.RESTORE:
            films.restore(film.name, intent.ids)
            queue.actions.wake()
        case FilmAct.JOIN:
            request = join_request(film, JoinOptions())
            remarks = join_remarks(request)
            job = queue_join(queue, request)
            return [*remarks, tr("job {id} makes the film", id=job.id)]
    return []


def _told(outcome: RunOutcome) -> list[str]:
    said = [trn("{count} scene queued", "{count} scenes queued", len(outcome.jobs))]
    return said + [f"{problem.field}: {problem.message}" for problem in outcome.problems[:3]]

"""What the keys of the films' screens do to the queue; on the thread of changes, for it opens input files."""

from __future__ import annotations

from dataclasses import replace

from pipelines.front.errors import InvalidRequest, PipelineError
from pipelines.front.language import tr, trn
from skyreels_tui.films.helping import kinds_with_command
from skyreels_tui.films.joining import JoinOptions, join_remarks, join_request, queue_join
from skyreels_tui.films.takes import RunOutcome, Which, cancel_film, hold_film, run_film
from skyreels_tui.films.written import film_facts, scene_facts
from skyreels_tui.queue.errors import NoSuchFilm
from skyreels_tui.queue.film import Film, FilmFacts, NewFilm, NewScene, Scene
from skyreels_tui.queue.service import QueueService
from skyreels_tui.requests.references import check_request, with_absolute_paths
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui import intents
from skyreels_tui.ui.intents import ChangeFilm, FilmAct


def carry_out(queue: QueueService, intent: ChangeFilm, settings: Settings, undo_key: str) -> list[str]:
    """Do it; returns what to say, with the key that undoes it. Raises what the queue refuses."""
    helps = kinds_with_command(settings)
    film, films = queue.film(intent.film), queue.actions.films
    only = set(intent.ids) or None
    match intent.act:
        case FilmAct.RUN:
            return _told(run_film(queue, film, Which.ALL, only=only, helps=helps))
        case FilmAct.RESUME:
            return _told(run_film(queue, film, Which.FAILED, only=only, helps=helps))
        case FilmAct.ANOTHER:
            return _told(run_film(queue, film, Which.ANOTHER, only=only, helps=helps))
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
            words = trn("{count} scene removed; {key} undoes it", "{count} scenes removed; {key} undoes it",
                        len(intent.ids), key=undo_key)  # fmt: skip
            return [words]
        case FilmAct.RESTORE:
            films.restore(film.name, intent.ids)
            queue.actions.wake()
            return [trn("{count} scene is back", "{count} scenes are back", len(intent.ids))]
        case FilmAct.DUPLICATE:
            copied = [(place, scene) for place, scene in enumerate(film.scenes) if scene.id in intent.ids]
            # Each stands right below its own, and every one above it is a place more.
            places = [place + number for number, (place, _) in enumerate(copied, 1)]
            films.add(film.name, [_copy(scene) for _, scene in copied], _folder(queue, film), places)
            queue.actions.wake()
            return [trn("{count} scene copied", "{count} scenes copied", len(copied))]
        case FilmAct.VOICE | FilmAct.PICTURE:
            return _ask_for(queue, film, intent, helps)
        case FilmAct.JOIN:
            request = join_request(film, JoinOptions())
            remarks = join_remarks(request)
            job = queue_join(queue, request)
            return [*remarks, tr("job {id} makes the film", id=job.id)]
    return []


def _ask_for(queue: QueueService, film: Film, intent: ChangeFilm, helps: list[str]) -> list[str]:
    kind = str(intent.act)
    if kind not in helps:
        name = f"{kind}_command"
        raise NotSetUp(tr("the setting {name} is empty: name a program of your own there", name=name))
    texts = {scene: scene.facts.words if kind == "voice" else scene.facts.picture_prompt for scene in film.scenes}
    wanted = [scene for scene, text in texts.items() if scene.id in intent.ids and text]
    for scene in wanted:
        queue.actions.films.write(replace(scene, facts=replace(scene.facts, asked=kind, trouble="")))
    if kind == "voice":
        return [trn("{count} voice is made", "{count} voices are made", len(wanted))]
    return [trn("{count} picture is made", "{count} pictures are made", len(wanted))]


class NotSetUp(PipelineError):
    """What was asked for has no command in the settings."""


def write_scene(queue: QueueService, intent: intents.WriteScene) -> None:
    """Add or change a scene; raises InvalidRequest for one that could only fail."""
    where, request = intent.where, with_absolute_paths(intent.request)
    if problems := check_request(request):
        raise InvalidRequest(problems)
    film, films = queue.film(where.film), queue.actions.films
    if where.scene_id is None:
        place = min(where.place, len(film.scenes))
        films.add(film.name, [NewScene(request, intent.label)], _folder(queue, film), [place])
        queue.actions.wake()
        return
    scene = _scene(film, where.scene_id)
    films.write(replace(scene, label=intent.label, task_type=scene.task, request_json=request.to_json()))


def write_film(queue: QueueService, intent: intents.WriteFilm) -> None:
    """Begin a film, or keep what a person has written about it or a scene of it."""
    films, values = queue.actions.films, intent.values
    if intent.begins:
        films.create(NewFilm(intent.name, str(values["project"]), film_facts(values, FilmFacts())))
        return
    film = queue.film(intent.name)
    if intent.scene_id is None:
        films.set(film.name, project=str(values["project"]), facts=film_facts(values, film.facts))
        return
    scene = _scene(film, intent.scene_id)
    films.write(replace(scene, label=str(values["label"]), facts=scene_facts(values, scene.facts)))


def import_films(queue: QueueService, intent: intents.ImportFilms) -> list[str]:
    """Store what a file was read as; returns what to say."""
    made = queue.actions.films.create(*intent.films, result_dir=str(queue.actions.results_of("")))
    count = sum(len(film.scenes) for film in made)
    names = ", ".join(film.name for film in made)
    return [trn("{names}: {count} scene imported", "{names}: {count} scenes imported", count, names=names)]


def _scene(film: Film, scene_id: int) -> Scene:
    found = next((scene for scene in film.scenes if scene.id == scene_id), None)
    if found is None:
        raise NoSuchFilm(tr("this scene is in no film any more"))
    return found


def _copy(scene: Scene) -> NewScene:
    return NewScene(scene.request, f"{scene.name}-2" if scene.name else "", replace(scene.facts, trouble=""))


def _folder(queue: QueueService, film: Film) -> str:
    return str(queue.actions.results_of(film.name))


def _told(outcome: RunOutcome) -> list[str]:
    said = [trn("{count} scene queued", "{count} scenes queued", len(outcome.jobs))]
    return said + [f"{problem.field}: {problem.message}" for problem in outcome.problems[:3]]

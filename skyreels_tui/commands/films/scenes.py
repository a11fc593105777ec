"""`film new`, `set`, `add`, `edit`, `move`, `remove` and `restore`: what a film is made of."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr
from pipelines.tasks import task_named
from skyreels_tui.commands.films.showing import Add, scene_called, with_film
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.describe import film_data, scene_data
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.fetching import fetch_inputs
from skyreels_tui.commands.shared.fields import add_task_options, asked_request, change_request, given_fields
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.films.projects import film_name_problem, project_problem
from skyreels_tui.films.written import sound_path, sound_problem
from skyreels_tui.queue.film import Film, FilmFacts, NewFilm, NewScene, Scene, SceneFacts
from skyreels_tui.requests.presets import Presets
from skyreels_tui.requests.references import check_request, with_absolute_paths

_SOUNDS = ("narration", "music")
_FACTS = (*_SOUNDS, "words", "voice", "picture_prompt", "notes")


def configure(add: Add) -> None:
    """Declare the seven."""
    for name, text in (("new", tr("begin a film")), ("set", tr("change what is known of a film"))):
        film = with_film(add(name, text))
        film.add_argument("--project", help=tr("folder below the result folder for all that is made from it"))
        film.add_argument("--title", help=tr("the title of the finished film"))
        film.add_argument("--music", metavar="FILE", help=tr("music under the whole film; '' for none"))
        film.add_argument(
            "--go-on",
            action=argparse.BooleanOptionalAction,
            help=tr("after a failure {{prev}} means the nearest earlier scene that is done"),
        )
    added = with_film(add("add", tr("add a scene at the end; nothing is queued before `film run`")))
    add_task_options(added)
    _facts_options(added)
    edited = with_film(add("edit", tr("change a scene: its next take is made from it")))
    _scene_argument(edited)
    add_task_options(edited, changing=True)
    _facts_options(edited)
    moved = with_film(add("move", tr("change the place of a scene")))
    _scene_argument(moved)
    moved.add_argument("place", metavar="PLACE", type=int, help=tr("1 is first"))
    removed = with_film(add("remove", tr("take scenes and their takes out of a film; files stay")))
    removed.add_argument("scenes", metavar="SCENE", nargs="+", help=tr("numbers or labels"))
    with_film(add("restore", tr("bring the removed scenes of a film back")))


def _scene_argument(parser: Parser) -> None:
    parser.add_argument("scene", metavar="SCENE", help=tr("its number or label"))


def _facts_options(parser: Parser) -> None:
    parser.add_argument("--label", help=tr("a name for the list and for {{job:NAME}}"))
    parser.add_argument("--narration", metavar="FILE", help=tr("a sound file that is heard with the scene"))
    parser.add_argument("--words", metavar="TEXT", help=tr("what is said: for the voice command and subtitles"))
    parser.add_argument("--voice", metavar="NAME", help=tr("which voice says it"))
    parser.add_argument("--music", metavar="FILE", help=tr("music under this scene alone"))
    parser.add_argument("--picture-prompt", dest="picture_prompt", metavar="TEXT", help=tr("for the picture command"))
    parser.add_argument("--notes", metavar="TEXT", help=tr("anything worth keeping"))


def _film_facts(args: argparse.Namespace, before: FilmFacts) -> FilmFacts:
    changes = {} if args.title is None else {"title": args.title}
    if args.music is not None:
        changes["music"] = _sound("music", args.music)
    facts = dataclasses.replace(before, **changes)
    return facts if args.go_on is None else dataclasses.replace(facts, goes_on=args.go_on)


def _scene_facts(args: argparse.Namespace, before: SceneFacts) -> SceneFacts:
    given = {name: getattr(args, name) for name in _FACTS if getattr(args, name) is not None}
    changes: dict[str, Any] = {name: _sound(name, text) if name in _SOUNDS else text for name, text in given.items()}
    return dataclasses.replace(before, **changes)


def _sound(name: str, text: str) -> str:
    """The absolute path of a sound file that can be heard, '' for none; raises InvalidRequest."""
    path = sound_path(text)
    if problem := sound_problem(name, path):
        raise InvalidRequest([problem])
    return path


def _checked_project(args: argparse.Namespace) -> str | None:
    if args.project and (problem := project_problem(args.project)):
        raise CommandError(f"project: {problem}")
    return str(args.project) if args.project is not None else None


def _new(args: argparse.Namespace, context: Context) -> int:
    project = _checked_project(args)
    if problem := film_name_problem(args.film):
        raise CommandError(problem)
    with context.queue() as queue:
        [film] = queue.actions.films.create(NewFilm(args.film, project or "", _film_facts(args, FilmFacts())))
    return _tell(film, args)


def _set(args: argparse.Namespace, context: Context) -> int:
    project = _checked_project(args)
    with context.queue() as queue:
        facts = _film_facts(args, queue.film(args.film).facts)
        film = queue.actions.films.set(args.film, project=project, facts=facts)
    return _tell(film, args)


def _add(args: argparse.Namespace, context: Context) -> int:
    _, request = asked_request(args, context.settings, Presets(context.folders.presets))
    request = with_absolute_paths(fetch_inputs(request, context.folders.downloads))
    if problems := check_request(request):
        raise InvalidRequest(problems)
    facts = _scene_facts(args, SceneFacts())
    with context.queue() as queue:
        folder = str(queue.actions.results_of(args.film))
        queue.actions.films.add(args.film, [NewScene(request, args.label or "", facts)], folder)
        film = queue.film(args.film)
    return _tell_scene(film, film.scenes[-1], args)


def _edit(args: argparse.Namespace, context: Context) -> int:
    fields = given_fields(args)
    if not fields and all(getattr(args, name) is None for name in (*_FACTS, "label")):
        raise CommandError(tr("nothing to change: give at least one field, such as --prompt TEXT"))
    with context.queue() as queue:
        scene = scene_called(queue.film(args.film), args.scene)
        if fields:
            request = change_request(scene.request, task_named(scene.task), args)
            request = with_absolute_paths(fetch_inputs(request, context.folders.downloads))
            if problems := check_request(request):
                raise InvalidRequest(problems)
            scene = dataclasses.replace(scene, task_type=scene.task, request_json=request.to_json())
        label = scene.label if args.label is None else args.label
        scene = dataclasses.replace(scene, label=label, facts=_scene_facts(args, scene.facts))
        queue.actions.films.write(scene)
        return _tell_scene(queue.film(args.film), scene, args)


def _move(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        scene = scene_called(queue.film(args.film), args.scene)
        film = queue.actions.films.move(args.film, scene.id, args.place - 1)
        queue.actions.wake()
    return _tell_scene(film, scene, args)


def _remove(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        film = queue.film(args.film)
        queue.actions.films.remove(args.film, [scene_called(film, text).id for text in args.scenes])
    if args.json:
        output.data(args.scenes)
    return Exit.OK


def _restore(args: argparse.Namespace, context: Context) -> int:
    with context.queue() as queue:
        queue.actions.films.restore(args.film, queue.actions.films.hidden(args.film))
        queue.actions.wake()
        return _tell(queue.film(args.film), args)


def _tell(film: Film, args: argparse.Namespace) -> int:
    if args.json:
        output.data(film_data(film))
    else:
        output.line(film.name)
    return Exit.OK


def _tell_scene(film: Film, scene: Scene, args: argparse.Namespace) -> int:
    """Print the number of the scene, or all of it."""
    number, now = next((n, one) for n, one in enumerate(film.scenes, 1) if one.id == scene.id)
    if args.json:
        output.data(scene_data(now))
    else:
        output.line(str(number))
    return Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "new": _new,
    "set": _set,
    "add": _add,
    "edit": _edit,
    "move": _move,
    "remove": _remove,
    "restore": _restore,
}

"""`film voice`, `picture` and `prompt`: what scenes lack, made by a command or an endpoint of the person's own."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping

from pipelines.front.language import tr
from skyreels_tui.commands.films.showing import Add, scene_called, with_film
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.films.prompting import AGREED_FILE, Agreed, Aim, PromptHelpFailed, ask, endpoint_of, key_variables
from skyreels_tui.films.sounds import Helped, make_pictures, make_voices


def configure(add: Add) -> None:
    """Declare the three."""
    voice = with_film(
        add("voice", tr("let the setting voice_command speak the words of scenes that have no sound yet"))
    )
    picture = with_film(
        add("picture", tr("let the setting picture_command draw what scenes have a picture prompt for"))
    )
    for parser in (voice, picture):
        parser.add_argument("--scenes", metavar="SCENE", nargs="+", help=tr("only these: numbers or labels"))
        parser.add_argument("--anew", action="store_true", help=tr("also where there is one already"))
    prompt = with_film(add("prompt", tr("other words for prompts, from the endpoint of the setting prompt_endpoint")))
    prompt.add_argument("aim", choices=tuple(Aim), help=tr("to English, in more words, or as shots"))
    prompt.add_argument("--scenes", metavar="SCENE", nargs="+", help=tr("only these: numbers or labels"))
    prompt.add_argument("--write", action="store_true", help=tr("give the scenes these words; else only show them"))
    prompt.add_argument("--agree", action="store_true", help=tr("send prompts to this endpoint, from now on"))


def _voice(args: argparse.Namespace, context: Context) -> int:
    return _do(args, context, make_voices, context.settings.voice_command, "voice_command")


def _picture(args: argparse.Namespace, context: Context) -> int:
    return _do(args, context, make_pictures, context.settings.picture_command, "picture_command")


def _prompt(args: argparse.Namespace, context: Context) -> int:
    try:
        endpoint = endpoint_of(context.settings)
    except PromptHelpFailed as error:
        raise CommandError(str(error)) from error
    agreed = Agreed(context.folders.state / AGREED_FILE)
    if args.agree:
        agreed.add(endpoint)
    elif endpoint not in agreed:
        words = tr("prompts would go to {address}: --agree sends them there, from now on", address=endpoint.address)
        raise CommandError(words)
    told, failed = [], False
    with context.queue() as queue:
        film = queue.film(args.film)
        wanted = [scene_called(film, text) for text in args.scenes] if args.scenes else list(film.scenes)
        for scene in wanted:
            before = scene.request.prompt
            try:
                after = ask(endpoint, Aim(args.aim), scene.task, before)
            except PromptHelpFailed as error:
                output.note(f"{scene.name}: {error}")
                failed = True
                continue
            told.append({"label": scene.name, "before": before, "after": after})
            if args.write:
                request = dataclasses.replace(scene.request, prompt=after).to_json()
                queue.actions.films.write(dataclasses.replace(scene, task_type=scene.task, request_json=request))
    if args.json:
        output.data(told)
    else:
        for one in told:
            output.line(f"{one['label']}:")
            output.line(f"- {one['before']}")
            output.line(f"+ {one['after']}")
    return Exit.FAILED if failed else Exit.OK


def _do(args: argparse.Namespace, context: Context, make: Callable[..., Helped], command: str, setting: str) -> int:
    if not command.strip():
        raise CommandError(tr("the setting {name} is empty: skyreels-tui settings set {name} COMMAND", name=setting))
    with context.queue() as queue:
        film = queue.film(args.film)
        only = None if args.scenes is None else {scene_called(film, text).id for text in args.scenes}
        hidden = key_variables(context.settings)
        helped = make(queue, film, command, only=only, anew=args.anew, hidden=hidden)
    for problem in helped.problems:
        output.note(f"{problem.field}: {problem.message}")
    if args.json:
        problems = [{"field": problem.field, "message": problem.message} for problem in helped.problems]
        output.data({"files": [str(path) for path in helped.files], "problems": problems})
    else:
        for path in helped.files:
            output.path(str(path))
    return Exit.FAILED if helped.problems else Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {
    "voice": _voice,
    "picture": _picture,
    "prompt": _prompt,
}

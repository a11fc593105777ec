"""`film voice` and `film picture`: what scenes lack, made by a command of the person's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from pipelines.front.language import tr
from skyreels_tui.commands.films.showing import Add, scene_called, with_film
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.films.sounds import Helped, make_pictures, make_voices


def configure(add: Add) -> None:
    """Declare the two."""
    voice = with_film(
        add("voice", tr("let the setting voice_command speak the words of scenes that have no sound yet"))
    )
    picture = with_film(
        add("picture", tr("let the setting picture_command draw what scenes have a picture prompt for"))
    )
    for parser in (voice, picture):
        parser.add_argument("--scenes", metavar="SCENE", nargs="+", help=tr("only these: numbers or labels"))
        parser.add_argument("--anew", action="store_true", help=tr("also where there is one already"))


def _voice(args: argparse.Namespace, context: Context) -> int:
    return _do(args, context, make_voices, context.settings.voice_command, "voice_command")


def _picture(args: argparse.Namespace, context: Context) -> int:
    return _do(args, context, make_pictures, context.settings.picture_command, "picture_command")


def _do(args: argparse.Namespace, context: Context, make: Callable[..., Helped], command: str, setting: str) -> int:
    if not command.strip():
        raise CommandError(tr("the setting {name} is empty: skyreels-tui settings set {name} COMMAND", name=setting))
    with context.queue() as queue:
        film = queue.film(args.film)
        only = None if args.scenes is None else {scene_called(film, text).id for text in args.scenes}
        helped = make(queue, film, command, only=only, anew=args.anew)
    for problem in helped.problems:
        output.note(f"{problem.field}: {problem.message}")
    if args.json:
        problems = [{"field": problem.field, "message": problem.message} for problem in helped.problems]
        output.data({"files": [str(path) for path in helped.files], "problems": problems})
    else:
        for path in helped.files:
            output.path(str(path))
    return Exit.FAILED if helped.problems else Exit.OK


ACTIONS: Mapping[str, Callable[[argparse.Namespace, Context], int]] = {"voice": _voice, "picture": _picture}

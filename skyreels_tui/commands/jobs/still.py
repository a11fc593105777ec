"""`still`: one exact frame of a video as a picture, or held for 25 frames so that an extension can begin with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.results import gallery


def configure(parser: Parser, _name: str) -> None:
    """Declare the options of `still`."""
    parser.add_argument("file", type=Path, metavar="FILE", help=tr("a video"))
    parser.add_argument(
        "--frame",
        type=int,
        default=-1,
        metavar="N",
        help=tr("counted from 1; below 0 from the end; the last by default"),
    )
    parser.add_argument(
        "--hold",
        action="store_true",
        help=tr("make a clip of it, held 25 frames, that single shot can continue (experimental)"),
    )
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Write the picture beside the video and print its path, or the held clip's."""
    try:
        made = gallery.save_frame(args.file.absolute(), args.frame)
        if args.hold:
            made = gallery.hold_picture(made, context.folders.downloads)
            output.note(tr("experimental: the model was trained on moving pictures, a held one may stay still"))
    except (PipelineError, OSError) as error:
        raise CommandError(str(error)) from error
    if args.json:
        output.data({"output": str(made)})
    else:
        output.line(str(made))
    return Exit.OK

"""Opens the full-screen app, or its plain twin that speaks in lines."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.colours import use_colours
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError
from skyreels_tui.settings.checks import setting_problem
from skyreels_tui.settings.served import SERVED


def open_app(args: argparse.Namespace, context: Context) -> int:
    """Run the app until it is left; `--plain` needs no terminal that can draw."""
    if problem := setting_problem("theme", args.theme or ""):
        raise CommandError(f"theme: {problem}")
    if args.plain:
        from skyreels_tui.commands.jobs.plain import run_plain

        return run_plain(args, context)
    if context.services.settings.served and (server := os.environ.get(SERVED, "")).isdecimal():
        from skyreels_tui.web.orphan import end_with_parent

        end_with_parent(int(server))
    # Textual draws to stderr; a browser's stand-in for the terminal names its own driver.
    if not context.services.settings.served and not all(
        output.is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)
    ):
        raise CommandError(
            tr(
                "the app needs a terminal; here skyreels-tui generate, add and run do the work, "
                "or --plain shows the queue as lines"
            )
        )
    # Textual reads this when it is imported: twice its usual rate halves the wait between a key and its paint,
    # and costs nothing while nothing changes. A slow line keeps the usual rate.
    os.environ.setdefault("TEXTUAL_FPS", "60" if os.environ.get("SSH_CONNECTION") else "120")
    use_colours(context.services.settings.now.colours, os.environ)
    # What is loaded stays, so that nobody has to look it through for garbage until the first frame stands.
    gc.disable()
    # Textual is loaded only by commands that draw.
    from skyreels_tui.app.session import run_app

    return run_app(
        context.services,
        output.note,
        theme=args.theme or "",
        ascii_only=args.ascii,
        auto_resume=args.resume,
        queue_only=args.only == "queue",
    )

"""One run of the app from start to end: signals around it, the engine after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.front.language import tr, trn
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.background import go_on_in_background
from skyreels_tui.app.services import Services
from skyreels_tui.files.app_log import log_to_file
from skyreels_tui.queue.engine.signals import StopSignals, handled
from skyreels_tui.ui.drawing.pictures import choose_drawing
from skyreels_tui.ui.internals import call_soon
from skyreels_tui.ui.terminal.run import run_on_terminal

if TYPE_CHECKING:
    from skyreels_tui.queue.service import QueueService


def run_app(
    services: Services,
    note: Callable[[str], None],
    *,
    theme: str = "",
    ascii_only: bool = False,
    auto_resume: bool = False,
    queue_only: bool = False,
) -> int:
    """Run the app until it is left, then wait for the engine; returns the exit code.

    `note` writes a line for the person once the screen has gone; the options are those of `SkyreelsApp`.

    SIGHUP lets go of the terminal and does what the settings say; SIGTERM stops at the step edge, a second
    one at once.
    """
    log_to_file(services.folders)
    app = SkyreelsApp(services, theme=theme, ascii_only=ascii_only, auto_resume=auto_resume, queue_only=queue_only)

    def leave() -> None:
        if not call_soon(app, app.exit) and app.service is not None:
            app.services.transfers.close()
            app.service.close(timeout_s=0)

    def hang_up() -> None:
        # The kernel and the app itself may both tell of one end; and what goes on without a screen just goes on.
        if not app.quitting.choice:
            app.quitting.hang_up()
            leave()

    def at_once() -> None:
        if app.service is not None:
            app.service.give_up()

    with handled(stop=StopSignals(leave, at_once), hang_up=hang_up):
        try:
            app.looks.drawing = choose_drawing(services.settings.now.preview, os.environ, is_tty=sys.stdout.isatty())
            run_on_terminal(app, app.settings.mouse)
        finally:
            if app.service is not None:
                _end(app, app.service, note)
            if app.notifier is not None:
                app.notifier.stop()
    return app.return_code or 0


def _end(app: SkyreelsApp, service: QueueService, note: Callable[[str], None]) -> None:
    if lost := app.controller.changes.close():
        note(
            trn(
                "{count} change could not be stored: look at the disk of the queue, then ask for it again",
                "{count} changes could not be stored: look at the disk of the queue, then ask for them again",
                lost,
            )
        )
    if app.quitting.choice == "finish":
        note(tr("The running job goes on without a screen. Ctrl+C stops it at its next step."))
        service.options = replace(service.options, on_hang_up="finish_job")
        service.hang_up()
    elif app.quitting.choice == "background":
        note(
            tr(
                "The queue goes on in the background, also where the shell calls it stopped. "
                "skyreels-tui shows it again, skyreels-tui stop ends it at its next step."
            )
        )
        go_on_in_background()
        wanted = service.options.on_hang_up
        service.options = replace(service.options, on_hang_up="finish_queue" if wanted == "stop" else wanted)
        service.hang_up()
    if app.quitting.choice:
        service.wait_ended()
        if app.quitting.choice == "hang up" and app.services.settings.now.hang_up != "stop":
            # A lost line must not cost a night's download.
            app.services.transfers.wait_ended()
        app.services.transfers.close()
    elif not service.close(timeout_s=0.5):
        note(tr("Waiting for the engine to reach a point where it can stop. Ctrl+C leaves at once."))
    service.close()

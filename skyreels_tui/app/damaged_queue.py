"""What becomes of a queue file that cannot be used: asked here, done by the store, nothing before an answer."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.front.language import tr
from skyreels_tui.queue.errors import DatabaseUnusable
from skyreels_tui.queue.store import opening
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.screens.dialogs.damaged_queue import UnusableScreen


def ask_about(app: HubApp, error: DatabaseUnusable, go_on: Callable[[], None]) -> None:
    """Ask, do what was chosen and `go_on`, or leave the app; the file stays as it is until a person has answered."""

    def answered(choice: str | None) -> None:
        if choice == "restore":
            kept = opening.restore(error, error.backups[0])
        elif choice == "new":
            kept = opening.start_new(error)
        else:
            app.exit(return_code=1)
            return
        if kept is not None:
            words = tr("The file that could not be read is kept as {name}", name=kept.name)
            app.notify(words, markup=False, timeout=20)
        go_on()

    match error.kind:
        case "corrupt":
            what = tr("It is damaged: {detail}.", detail=error.detail)
        case "missing":
            what = tr("It is missing or empty, but there has been a queue: {detail}.", detail=error.detail)
        case "foreign":
            what = tr("It is no queue of this program: {detail}.", detail=error.detail)
    backup = error.backups[0].name if error.backups else ""
    app.push_screen(UnusableScreen(str(error.path), what, backup), answered)

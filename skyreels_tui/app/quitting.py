"""How the app is left: what is asked before, and what becomes of a running job; ends no engine by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pipelines.front.language import tr, trn
from skyreels_tui.app.controller import Controller
from skyreels_tui.app.services import Services
from skyreels_tui.ui.hub import HubApp

if TYPE_CHECKING:
    from skyreels_tui.queue.model import Job
    from skyreels_tui.queue.service import QueueService

QuitChoice = Literal["", "finish", "background", "hang up"]


class Quitting:
    """Asks about downloads, then about the running job, and lets the app exit."""

    def __init__(self, app: HubApp, services: Services, controller: Controller) -> None:
        self._app, self._services, self._controller = app, services, controller
        self.choice: QuitChoice = ""
        """Not empty when the engine goes on without a screen: until `session` has waited for it."""

    def ask(self) -> None:
        """Leave at once when nothing runs here."""
        if not any(transfer.is_busy for transfer in self._services.transfers.all):
            self._ask_about_job()
            return
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        def answered(sure: bool | None) -> None:
            if sure:
                self._ask_about_job()

        question = ConfirmScreen(
            tr("A model is being fetched or checked"),
            tr(
                "Leaving stops it. What came stays: {key} on the Models screen goes on where it was.",
                key=self._app.key("models.download"),
            ),
            yes=tr("Stop it and leave"),
        )
        self._app.push_screen(question, answered)

    def _ask_about_job(self) -> None:
        if early := self._controller.early:
            self._ask_about_early(early)
            return
        service, running = self._controller.service, self._app.board.all_running
        if service is None or not running or not service.is_owner:
            self._app.exit()
            return
        self._ask_what_becomes_of(running)

    def _ask_about_early(self, early: int) -> None:
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        question = ConfirmScreen(
            trn("{count} change waits for the queue to open", "{count} changes wait for the queue to open", early),
            tr("Leaving now loses them. They are carried out by themselves once the queue can be opened."),
            yes=tr("Leave and lose them"),
        )
        self._app.push_screen(question, lambda sure: self._app.exit() if sure else None)

    def _ask_what_becomes_of(self, running: Sequence[Job]) -> None:
        from skyreels_tui.ui.screens.dialogs.leave import LeaveScreen

        def answered(choice: str | None) -> None:
            match choice:
                case "finish" | "background":
                    self.choice = choice
            if choice:
                self._app.exit()

        whole_queue = self._services.settings.now.hang_up != "finish_job"
        self._app.push_screen(LeaveScreen(*running, whole_queue=whole_queue), answered)

    def stop_and_leave(self) -> None:
        """Stop at the step edge with the screen still alive, so that a person sees what is waited for; then exit."""
        service = self._controller.service

        def stop() -> None:
            # What keys asked for is stored first, as far as the disk lets it.
            self._controller.changes.close()
            if service is not None:
                service.close()
            self._app.call_from_thread(self._app.exit)

        self._app.run_worker(stop, thread=True, exclusive=True, group="leave")

    def hang_up(self) -> None:
        """The terminal has gone: the engine does what the settings say. Called by a signal, from any thread."""
        self.choice = "hang up"
        service: QueueService | None = self._controller.service
        if service is not None:
            service.hang_up()

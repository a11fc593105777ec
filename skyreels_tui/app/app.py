"""The full-screen application: wiring only. Screens post intents, the queue answers with events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import SystemCommand
from textual.screen import Screen

from pipelines.front.errors import PipelineError
from pipelines.front.language import reason_of, tr, trn
from skyreels_tui.app.controller import Controller
from skyreels_tui.app.keymap import use_keys
from skyreels_tui.app.quitting import Quitting
from skyreels_tui.app.screens import make_screen
from skyreels_tui.app.services import Services
from skyreels_tui.queue.events import Event, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.listing import first_page, first_scene_counts
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.internals import write_sequence
from skyreels_tui.ui.keyboard import scopes
from skyreels_tui.ui.keys import EVERYWHERE, HELP, binding_id, bindings, key_words
from skyreels_tui.ui.news import EngineEvent
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.widgets.key_bar import label_now

if TYPE_CHECKING:
    from skyreels_tui.eta.forecaster import Forecaster
    from skyreels_tui.eta.outlook import Machine
    from skyreels_tui.monitors.monitor import Monitor
    from skyreels_tui.notify.notifier import Notifier
    from skyreels_tui.notify.others import OthersNews
    from skyreels_tui.queue.errors import DatabaseUnusable
    from skyreels_tui.queue.film import Film
    from skyreels_tui.queue.service import QueueService

FIRST_PAGE = 200
"""Jobs that are listed for the first paint: more than any terminal shows."""
CHANGE_PATIENCE_S = 2.0
"""How long one try of a change waits for other programs that write: the change itself is kept and tried again."""
READ_PATIENCE_S = 0.05
"""Reading on the screen's thread never waits longer."""
OPEN_AGAIN_S = 2.0
LIST_AGAIN_S = 0.5


class SkyreelsApp(HubApp):
    """Home, forms, results and the rest over one queue."""

    TITLE = "skyreels-tui"
    CSS_PATH = "app.tcss"
    BINDINGS = bindings(EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True
    SCREENS: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        services: Services,
        *,
        theme: str = "",
        ascii_only: bool = False,
        auto_resume: bool = False,
        queue_only: bool = False,
    ) -> None:
        """`theme`, `ascii_only`, `auto_resume` and `queue_only` are what the command line wants for this time."""
        super().__init__(self._list_jobs, self._scene_counts, clock=services.clock, wall_clock=services.wall_clock)
        self.services = services
        self.controller = Controller(self)
        self.quitting = Quitting(self, services, self.controller)
        self._auto_resume, self._queue_only = auto_resume, queue_only
        self._listed: int | None = FIRST_PAGE
        self._cannot = ""
        """Why the queue could not be opened yet."""
        self.monitor: Monitor | None = None
        self.forecaster: Forecaster | None = None
        self.notifier: Notifier | None = None
        self._others: OthersNews | None = None
        services.tell_transfers = self.publish_transfers
        self.follow_settings(services.settings, theme=theme, ascii_only=ascii_only)
        services.settings.follow(self._use_settings)

    @property
    def service(self) -> QueueService | None:
        """The queue, once it is open."""
        return self.controller.service

    # Life

    def on_load(self) -> None:
        """Read the queue's first page before home is made."""
        use_keys(self, Settings(), self.settings)
        self.board.refresh()

    def get_default_screen(self) -> Screen[Any]:
        """Home lies below all others."""
        return HomeScreen(queue_only=self._queue_only)

    def on_mount(self) -> None:
        """The queue is opened and the engine started once home is on the screen."""
        self.after_paint(self._open_queue)

    def _list_jobs(self) -> list[Job]:
        if self.service is not None:
            try:
                return self.service.jobs(limit=self._listed)
            except PipelineError:
                # What is shown stays, and is listed again soon.
                self.set_timer(LIST_AGAIN_S, lambda: self.publish_event(QueueChanged()))
                raise
        return first_page(self.services.folders, FIRST_PAGE)

    def _scene_counts(self) -> Mapping[str, int]:
        if self.service is not None:
            return self.service.scene_counts()
        return first_scene_counts(self.services.folders)

    def _open_queue(self) -> None:
        """Open it on a worker: it may have to wait for other programs that write to it."""
        self.run_worker(self._open, thread=True, exclusive=True, group="open")

    def _open(self) -> None:
        # Imported after the first paint: a third of all that a start would load before it.
        from skyreels_tui.queue.errors import DatabaseUnusable, QueueTrouble

        options = self.services.queue_options(auto_resume=self._auto_resume or self.services.settings.now.auto_resume)
        patient = replace(options, patience_s=CHANGE_PATIENCE_S, read_patience_s=READ_PATIENCE_S)
        try:
            service = self.services.open_queue(self._take_event, runs=True, options=patient)
        except DatabaseUnusable as error:
            unusable = error
            self.call_later(lambda: self._ask_about(unusable))
        except (QueueTrouble, OSError) as error:
            words = reason_of(error) if isinstance(error, OSError) else error.cause
            self.call_later(lambda: self._cannot_open(words))
        else:
            self.call_later(lambda: self._opened(service))

    def _ask_about(self, error: DatabaseUnusable) -> None:
        from skyreels_tui.app.damaged_queue import ask_about

        ask_about(self, error, self._open_queue)

    def _cannot_open(self, words: str) -> None:
        """Say it once and try again: what is shown was read without opening the queue."""
        if words != self._cannot:
            self._cannot = words
            self.tell(tr("the queue cannot be opened: {error}. It is tried again by itself.", error=words), "error")
            self.condition_changed()
        self.set_timer(OPEN_AGAIN_S, self._open_queue)

    def _opened(self, service: QueueService) -> None:
        self._cannot = ""
        self.controller.open(service)
        self.board.apply(service.status())
        # The first page is read by this event, the rest of a long queue once it has been painted.
        self.publish_event(QueueChanged())
        self.call_after_refresh(self._start_engine)

    @property
    def trouble(self) -> str:
        """Changes that are not stored yet, a queue that cannot be opened, threads that hang."""
        if self._cannot:
            return tr("the queue cannot be opened")
        if count := self.controller.changes.kept + self.controller.early:
            return trn("{count} change is not stored yet", "{count} changes are not stored yet", count)
        late = self.service.beats.late() if self.service is not None else ()
        return tr("the thread {name} is late", name=late[0]) if late else ""

    def _start_engine(self) -> None:
        if self.service is None:
            return
        # The first page stands on the screen by now; who is told what, and how, can be loaded after it.
        from skyreels_tui.notify.attach import screen_notifier, this_terminal
        from skyreels_tui.notify.others import OthersNews

        # The loop shares the interpreter with the inference thread: short turns keep keys quick.
        sys.setswitchinterval(0.0005)
        self._listed = None
        self.board.refresh()
        self._others = OthersNews(self._unfinished, self.service.job)
        write = partial(write_sequence, self)
        self.notifier = screen_notifier(write, lambda: self.services.settings.now, self._is_owner, self._tells)
        self.notifier.start(self.board.jobs, this_terminal())
        self.service.show_window()
        self.service.start()
        self._others.changes()
        # The service speaks from here on; what changed since the first listing is taken over now.
        self.publish_event(QueueChanged())
        beats = self.service.beats
        # The sensors load drivers' libraries: after the first paint too.
        self.forecaster = self.services.forecaster(
            self.publish_forecast,
            jobs=self._unfinished,
            progress=lambda: self.board.all_progress,
            crew=lambda: self.board.status.crew,
            beat=partial(beats.beat, "forecast"),
        )
        self.monitor = self.services.monitor(
            self.publish_sample,
            progress=lambda: self.board.progress,
            usual_step_s=self.forecaster.forecast.usual_step_s,
            engine=self.service.engine_memory,
            owner_pid=self._owner_pid,
            beat=partial(beats.beat, "monitor"),
        )
        self.forecaster.start()
        self.monitor.start()
        self.painted.keep_loaded()

    def _unfinished(self) -> Sequence[Job]:
        """For the forecaster's thread, which must not touch the board: that belongs to the screen's."""
        service = self.service
        return service.plannable() if service is not None and service.is_open else ()

    def _is_owner(self) -> bool:
        return self.service is not None and self.service.is_owner

    def _tells(self) -> bool:
        """Bell and desktop notification: the owner's window, or a viewer's when the owner has none."""
        return self.service is not None and (self.service.is_owner or not self.service.owner_has_window)

    def _owner_pid(self) -> int | None:
        service = self.service
        return os.getpid() if service is None or service.is_owner else service.owner_pid

    def on_unmount(self) -> None:
        """The sensors end with the screen; hook and webhook live as long as the engine."""
        if self.notifier is not None:
            self.notifier.leave_terminal()
        # What the queue says from here on finds no window.
        self._others = None
        if self.service is not None:
            self.service.hide_window()
        for thread in (self.forecaster, self.monitor):
            if thread is not None:
                thread.stop(0.2)
        if not self.quitting.choice:
            # Where the engine goes on without a screen, so do they: until `session` ends them.
            self.services.transfers.close()
            self.services.elsewhere.write(())

    # Events of the queue

    def _take_event(self, event: Event) -> None:
        if self.notifier is not None:
            self.notifier.take(event)
        self._follow_others(event)
        self.publish_event(event)

    def _follow_others(self, event: Event) -> None:
        """As owner say that there is a window; as viewer tell the notifier what the owner's jobs did."""
        service = self.service
        if service is None or self._others is None or self.notifier is None:
            return
        if isinstance(event, QueueStatus) and event.is_owner:
            service.show_window()
        elif isinstance(event, QueueChanged) and not service.is_owner:
            # What cannot be read now is news again after the next change.
            with suppress(PipelineError):
                for change in self._others.changes():
                    self.notifier.take(change)

    @on(EngineEvent)
    def _on_background_trouble(self, message: EngineEvent) -> None:
        """A warning that belongs to no job would otherwise stand in the log alone."""
        match message.event:
            case LogLine(level="warning" | "error", text=text, job_id=None):
                self.tell(text, "warning")

    # Changes of the queue, and leaving

    @on(intents.QueueIntent)
    def _on_queue_intent(self, message: intents.QueueIntent) -> None:
        self.controller.take(message)

    @property
    def can_undo(self) -> bool:
        """Whether this window deleted a row."""
        return self.controller.can_undo

    async def action_quit(self) -> None:
        """Ask what has to be asked, then leave."""
        self.quitting.ask()

    def action_suspend(self) -> None:
        """Give the terminal to the shell until `fg`; nothing that works here may stand still with the screen."""
        if self._is_owner() and self.board.running is not None:
            self.tell(
                tr(
                    "{suspend} would stop the running job too: {quit}, then {finish}, leaves the screen and lets it "
                    "go on",
                    suspend=self.key("everywhere.suspend"),
                    quit=self.key("home.quit"),
                    finish=self.key("leave.finish"),
                ),
                "warning",
            )
        elif any(transfer.is_busy for transfer in self.services.transfers.all):
            words = tr("{suspend} would stop the download too: {pause} on the Models screen pauses it first",
                       suspend=self.key("everywhere.suspend"), pause=self.key("models.pause"))  # fmt: skip
            self.tell(words, "warning")
        elif self.is_web or self.is_headless:
            self.tell(tr("There is no shell here to go back to"), "warning")
        else:
            self.action_suspend_process()

    def on_stop_and_leave(self) -> None:
        """Stop at the step edge, then exit."""
        self.quitting.stop_and_leave()

    # Panels

    def on_preview_panel_looking(self) -> None:
        """Somebody looks at the preview: pictures are made while that is so."""
        if self.service is not None:
            self.service.ask_preview()

    def films(self) -> list[Film]:
        """Every film of the queue, newest first; none while it cannot be read."""
        if self.service is not None:
            with suppress(PipelineError):
                return self.service.films()
        return []

    # Screens

    def open_screen(self, name: str) -> None:
        """Push a screen by its name, unless it is open already."""
        screen = make_screen(name, self.services)
        if not any(type(one) is type(screen) for one in self.screen_stack):
            self.push_screen(screen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Help is there already where it is shown."""
        return action != "help" or self.screen.name != HELP.name

    def action_help(self) -> None:
        """Every key, searchable."""
        from skyreels_tui.ui.screens.system.help import HelpScreen

        # What it lists first depends on the screen that it is opened from.
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(list(self.screen.active_bindings.values())))

    def action_themes(self) -> None:
        """The theme picker."""
        self.open_screen("themes")

    def action_command_palette(self) -> None:
        """Every command by name."""
        self.open_screen("commands")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette offers every key that works on the screen below, by name."""
        active = {one.binding.id: one for one in screen.active_bindings.values() if one.enabled}
        for scope in scopes(self.chosen_keys):
            for key in scope.keys:
                found = active.get(binding_id(scope, key))
                if found is not None and key.name != "command_palette":
                    title = f"{label_now(screen, key.action, key.label)} ({key_words(key.shown)})"
                    yield SystemCommand(title, tr(key.help), partial(self.run_action, key.action, found.node))

    def on_open_screen(self, message: intents.OpenScreen) -> None:
        """Open a screen by name."""
        self.open_screen(message.screen)

    def on_fetch_model(self, message: intents.FetchModel) -> None:
        """Open the models with the question whether one is fetched."""
        from skyreels_tui.ui.screens.models.models import ModelsScreen

        mine = self.services
        self.push_screen(
            ModelsScreen(mine.folders, mine.settings, mine.transfers, mine.elsewhere, fetch=message.family)
        )

    def on_open_form(self, message: intents.OpenForm) -> None:
        """Open the form of a task."""
        from pipelines.tasks import TASKS
        from skyreels_tui.ui.screens.form.form import FormScreen
        from skyreels_tui.ui.screens.form.services import FormServices

        mine = self.services
        services = FormServices(
            mine.folders,
            mine.settings,
            mine.drafts,
            mine.rates,
            self._machine,
            self.show_job,
            mine.approximate_warning,
        )
        task = message.task_type or mine.drafts.task or TASKS[0].name
        edits, scene = message.edit_job_id, message.scene
        self.push_screen(FormScreen(services, task, message.values, message.label, edit_job_id=edits, scene=scene))

    def on_open_job(self, message: intents.OpenJob) -> None:
        """Show one job."""
        from skyreels_tui.ui.screens.home.job import JobScreen

        self.push_screen(JobScreen(message.job_id, play=message.play, served=self.services.settings.served))

    def on_show_text(self, message: intents.ShowText) -> None:
        """Show what could not be copied."""
        from skyreels_tui.ui.screens.system.text import TextScreen

        self.push_screen(TextScreen(message.text))

    def on_browse_files(self, message: intents.BrowseFiles) -> None:
        """Open the file browser for a field."""
        from skyreels_tui.ui.screens.form.browse import BrowseScreen

        start = message.start or (self.settings.loras if message.media == "lora" else "")
        self.push_screen(BrowseScreen(start, message.media, several=message.several), message.answer)

    def _use_settings(self, before: Settings, now: Settings) -> None:
        use_keys(self, before, now)
        if self.service is not None:
            wanted = self.services.queue_options()
            self.service.options = replace(self.service.options, on_hang_up=wanted.on_hang_up, hours=wanted.hours)

    # What a form asks for

    def _machine(self) -> Machine:
        """What the sensors have read last, and the workers that there are."""
        from skyreels_tui.app.machine import machine_of

        mine, status = self.services, self.board.status
        return machine_of(self.last_sample, mine.result_dir, mine.settings.now, mine.gpu_name(), mine.peaks, status)

    def show_job(self, job_id: int) -> None:
        """Put the cursor of the queue on a job."""
        for panel in self.screen_stack[0].query(QueuePanel):
            panel.select(job_id)

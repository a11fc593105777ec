"""The full-screen application: wiring only. Screens post intents, the queue answers with events."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import SystemCommand
from textual.screen import Screen

from pipelines.front import language
from pipelines.front.language import tr
from skyreels_tui.app.controller import QueueApp
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.events import Event, QueueChanged, QueueStatus
from skyreels_tui.requests.drafts import DRAFTS_FILE, load_drafts
from skyreels_tui.settings.settings import Settings, save
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.glyphs import ASCII, UNICODE
from skyreels_tui.ui.keyboard import home_scope
from skyreels_tui.ui.keys import EVERYWHERE, bindings, key_words
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from pipelines.front.plan import Plan
    from pipelines.tasks.spec import TaskSpec
    from skyreels_tui.downloads.elsewhere import TransferFile
    from skyreels_tui.downloads.transfers import Transfer, Transfers
    from skyreels_tui.eta.time_left import TimeLeft
    from skyreels_tui.monitors.monitor import Monitor
    from skyreels_tui.notify.notifier import Notifier
    from skyreels_tui.notify.others import OthersNews
    from skyreels_tui.queue.engine.executor import Executor
    from skyreels_tui.queue.errors import DatabaseUnusable
    from skyreels_tui.queue.model import Job
    from skyreels_tui.requests.forms import Machine
    from skyreels_tui.ui.drawing.pictures import Drawing

SCREEN_CLASSES = {
    "results": "skyreels_tui.ui.screens.results.results:ResultsScreen",
    "models": "skyreels_tui.ui.screens.models.models:ModelsScreen",
    "doctor": "skyreels_tui.ui.screens.system.doctor:DoctorScreen",
    "settings": "skyreels_tui.ui.screens.system.settings:SettingsScreen",
    "help": "skyreels_tui.ui.screens.system.help:HelpScreen",
    "themes": "skyreels_tui.ui.screens.system.themes:ThemeScreen",
    "commands": "skyreels_tui.ui.screens.system.commands:CommandScreen",
}
"""Screens that are imported when they are first opened, so that the first paint does not pay for them."""


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What the command line and the settings file say about this run."""

    folders: Folders
    settings: Settings
    result_dir: Path
    executor: Callable[[], Executor]
    theme: str = ""
    ascii: bool = False
    auto_resume: bool = False


class SkyreelsApp(QueueApp):
    """Home, forms, results and the rest over one queue."""

    TITLE = "skyreels-tui"
    CSS_PATH = "app.tcss"
    BINDINGS = bindings(EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True
    SCREENS: ClassVar[dict[str, Any]] = {}

    def __init__(self, options: AppOptions) -> None:
        super().__init__()
        self.options = options
        self.settings = options.settings
        self.folders = options.folders
        self.result_dir = options.result_dir
        self.drafts = load_drafts(options.folders.state / DRAFTS_FILE)
        self.monitor: Monitor | None = None
        self.drawing: Drawing = "cells"
        """How previews are drawn; `run_app` asks the terminal."""
        self.notifier: Notifier | None = None
        self._others: OthersNews | None = None
        self.leave_choice = ""
        """'finish' when the running job is to end without a screen."""
        self.glyphs = ASCII if options.ascii or options.settings.ascii else UNICODE
        self.use_theme(options.theme or options.settings.theme)

    @cached_property
    def time_left(self) -> TimeLeft:
        """What this machine has learned about job times; read when it is first asked for."""
        from skyreels_tui.eta.rates import RATES_FILE, EtaBook
        from skyreels_tui.eta.time_left import TimeLeft

        return TimeLeft(EtaBook(self.folders.state / RATES_FILE, lambda: self.gpu_name))

    @cached_property
    def transfers(self) -> Transfers:
        """Downloads and checks of models; they outlive the screen that asked for them."""
        from pipelines.checkpoints.damage import DAMAGE_FILE, DamageBook
        from skyreels_tui.downloads.transfers import Transfers

        return Transfers(DamageBook(self.folders.state / DAMAGE_FILE), self._tell_transfers)

    @cached_property
    def elsewhere(self) -> TransferFile:
        """Downloads and checks of other windows, which see those of this one."""
        from skyreels_tui.downloads.elsewhere import TransferFile

        return TransferFile(self.folders.live)

    def _tell_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        self.elsewhere.write(transfers)
        self.publish_transfers(transfers)

    # Life

    def on_mount(self) -> None:
        """Show home and the queue's first page; it is opened and the engine started once they are on the screen."""
        self.board.refresh()
        self.push_screen(HomeScreen())
        self.call_after_refresh(self._open_queue)

    def _open_queue(self) -> None:
        # Imported after the first paint: a third of all that a start would load before it.
        from pipelines.front.host_memory import memory_floor
        from skyreels_tui.queue.errors import DatabaseUnusable
        from skyreels_tui.queue.service import QueueOptions, QueueService

        folders, options = self.folders, self.options
        folders.create()
        try:
            self.service = QueueService(
                folders,
                options.result_dir,
                self._take_event,
                executor=options.executor,
                options=QueueOptions(
                    auto_resume=options.auto_resume or self.settings.auto_resume,
                    on_hang_up=self.settings.hang_up,  # type: ignore[arg-type]  # checked when the file is read
                    memory_floor_bytes=memory_floor(self.settings.memory_floor_gib),
                    group_by_model=self.settings.group_by_model,
                    inbox=self.settings.inbox_folder,
                ),
                time_left=lambda *report: self.time_left(*report),
            )
        except DatabaseUnusable as error:
            self._ask_about(error)
            return
        self.board.apply(self.service.status())
        # The first page is read by this event, the rest of a long queue once it has been painted.
        self.publish_event(QueueChanged())
        self.call_after_refresh(self._start_engine)

    def _ask_about(self, error: DatabaseUnusable) -> None:
        """The file stays as it is until a person has answered."""
        from skyreels_tui.queue.store import opening
        from skyreels_tui.ui.screens.dialogs.damaged_queue import UnusableScreen

        def answered(choice: str | None) -> None:
            if choice == "restore":
                kept = opening.restore(error, error.backups[0])
            elif choice == "new":
                kept = opening.start_new(error)
            else:
                self.exit(return_code=1)
                return
            words = tr("The file that could not be read is kept as {name}", name=kept.name)
            self.notify(words, markup=False, timeout=20)
            self._open_queue()

        detail = error.detail
        if error.kind == "corrupt":
            what = tr("It is damaged: {detail}.", detail=detail)
        else:
            what = tr("It is no queue of this program: {detail}.", detail=detail)
        backup = error.backups[0].name if error.backups else ""
        self.push_screen(UnusableScreen(str(error.path), what, backup), answered)

    def _start_engine(self) -> None:
        if self.service is None:
            return
        # The first page stands on the screen by now; who is told what, and how, can be loaded after it.
        from skyreels_tui.notify.attach import screen_notifier, this_terminal
        from skyreels_tui.notify.others import OthersNews

        # The loop shares the interpreter with the inference thread: short turns keep keys quick.
        sys.setswitchinterval(0.0005)
        self.list_whole_queue()
        self._others = OthersNews(self._unfinished, self.service.job)
        self.notifier = screen_notifier(self, lambda: self.settings, self._is_owner, self._tells)
        self.notifier.start(self.board.jobs, this_terminal())
        self.service.start()
        self._others.changes()
        # The service speaks from here on; what changed since the first listing is taken over now.
        self.publish_event(QueueChanged())
        # The sensors load drivers' libraries: after the first paint too.
        from skyreels_tui.app.sensors import build_monitor

        self.monitor = build_monitor(
            self.folders,
            self.result_dir,
            self.publish_sample,
            jobs=self._unfinished,
            progress=lambda: self.board.progress,
            book=self.time_left.book,
            engine=self.service.engine_memory,
            owner_pid=self._owner_pid,
            model_folders=self.settings.models,
            memory_floor_bytes=round(self.settings.memory_floor_gib * 2**30),
        )
        self.monitor.start()

    def _unfinished(self) -> Sequence[Job]:
        """For the monitor's thread, which must not touch the board: that belongs to the screen's."""
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
        if self.service is not None:
            self.service.hide_window()
        if self.monitor is not None:
            self.monitor.stop(0.2)
        if not self.leave_choice:
            # Where the engine goes on without a screen, so do they: until `session` ends them.
            self.transfers.close()
            self.elsewhere.write(())

    def _take_event(self, event: Event) -> None:
        self.time_left.learn(event)
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
            for change in self._others.changes():
                self.notifier.take(change)

    async def action_quit(self) -> None:
        """Leave at once when nothing runs here; else ask about downloads, then what becomes of the running job."""
        if not any(transfer.is_busy for transfer in self.transfers.all):
            self._quit_queue()
            return
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        def answered(sure: bool | None) -> None:
            if sure:
                self._quit_queue()

        question = ConfirmScreen(
            tr("A model is being fetched or checked"),
            tr("Leaving stops it. What came stays: w on the Models screen goes on where it was."),
            yes=tr("Stop it and leave"),
        )
        self.push_screen(question, answered)

    def _quit_queue(self) -> None:
        service, running = self.service, self.board.running
        if service is None or running is None or not service.is_owner:
            self.exit()
            return
        from skyreels_tui.ui.screens.dialogs.leave import LeaveScreen

        self.push_screen(LeaveScreen(running), self._leave)

    def _leave(self, choice: str | None) -> None:
        if choice == "finish":
            self.leave_choice = choice
        if choice:
            self.exit()

    def on_stop_and_leave(self) -> None:
        """Stop at the step edge, then exit."""
        self._stop_and_exit()

    @work(thread=True, exclusive=True, group="leave")
    def _stop_and_exit(self) -> None:
        """Wait for the step edge with the screen still alive, so that a person sees what is waited for."""
        if self.service is not None:
            self.service.close()
        self.call_from_thread(self.exit)

    # Panels

    def on_preview_panel_looking(self) -> None:
        """Somebody looks at the preview: pictures are made while that is so."""
        if self.service is not None:
            self.service.ask_preview()

    # Screens

    def open_screen(self, name: str) -> None:
        """Push one of `SCREEN_CLASSES`, importing it first."""
        module, cls = SCREEN_CLASSES[name].split(":")
        if any(type(screen).__name__ == cls for screen in self.screen_stack):
            return
        screen: Screen[Any] = getattr(importlib.import_module(module), cls)()
        self.push_screen(screen)

    def action_help(self) -> None:
        """Every key, searchable."""
        self.open_screen("help")

    def action_themes(self) -> None:
        """The theme picker."""
        self.open_screen("themes")

    def action_command_palette(self) -> None:
        """Every command by name."""
        self.open_screen("commands")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette offers every key of the home screen by name."""
        for key in (*home_scope().keys, *EVERYWHERE.keys):
            if isinstance(screen, HomeScreen) or key in EVERYWHERE.keys:
                yield SystemCommand(
                    f"{tr(key.label)} ({key_words(key.shown)})", tr(key.help), _runner(screen, key.action)
                )

    def on_open_screen(self, message: intents.OpenScreen) -> None:
        """Open a screen by name."""
        self.open_screen(message.screen)

    def on_open_form(self, message: intents.OpenForm) -> None:
        """Open the form of a task."""
        from pipelines.tasks import TASKS
        from skyreels_tui.ui.screens.form.form import FormScreen

        task = message.task_type or self.drafts.task or TASKS[0].name
        self.push_screen(FormScreen(task, message.values, message.label, edit_job_id=message.edit_job_id))

    def on_open_job(self, message: intents.OpenJob) -> None:
        """Show one job."""
        from skyreels_tui.ui.screens.home.job import JobScreen

        self.push_screen(JobScreen(message.job_id))

    def on_browse_files(self, message: intents.BrowseFiles) -> None:
        """Open the file browser for a field."""
        from skyreels_tui.ui.screens.form.browse import BrowseScreen

        self.push_screen(BrowseScreen(message.start, message.media, several=message.several), message.answer)

    @property
    def settings_file(self) -> Path:
        """The TOML file with a person's settings."""
        return self.folders.settings_file

    def save_settings(self, settings: Settings) -> None:
        """Write the file and use the new values; raises SettingsError or OSError."""
        save(self.settings_file, settings)
        if settings.theme != self.settings.theme:
            self.use_theme(settings.theme)
        if settings.language != self.settings.language:
            self._speak(settings.language)
        self.settings = settings
        self.glyphs = ASCII if self.options.ascii or settings.ascii else UNICODE

    def _speak(self, wanted: str) -> None:
        """Screens opened from here on speak the language; those below are drawn again."""
        language.choose(wanted)
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                if isinstance(widget, Panel):
                    widget.retitle()
                widget.refresh(layout=True)

    # What a form asks for

    @property
    def cache_dir(self) -> Path:
        """Where demo models and embeddings are kept."""
        return self.folders.cache

    def own_model(self, family: str) -> str:
        """The checkpoint folder that the settings name for a family, or ''."""
        return self.settings.models.get(family, "")

    def task_defaults(self, task: str) -> Mapping[str, Any]:
        """Field values that the settings file gives a new form."""
        return self.settings.defaults.get(task, {})

    def estimate(self, task: TaskSpec, plan: Plan) -> tuple[float | None, bool]:
        """Predicted seconds of a plan, and whether this machine has done such a job before."""
        found = self.time_left.book.estimate(task.name, plan)
        return found.total_s, found.learned

    def machine(self) -> Machine:
        """Memory as last read, disk as it is now."""
        from skyreels_tui.requests.forms import Machine, free_bytes

        memory = self.last_sample.memory if self.last_sample is not None else None
        return Machine(memory.available_bytes if memory is not None else None, free_bytes(self.result_dir))

    def show_job(self, job_id: int) -> None:
        """Put the cursor of the queue on a job."""
        for panel in self.screen_stack[1].query(QueuePanel):
            panel.select(job_id)


def _runner(screen: Screen[Any], action: str) -> Callable[[], Any]:
    async def run() -> None:
        await screen.run_action(action)

    return run

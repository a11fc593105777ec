"""The full-screen application: wiring only. Screens post intents, the queue answers with events."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import SystemCommand
from textual.screen import Screen

from pipelines.errors import InvalidRequest, PipelineError
from pipelines.host_memory import memory_floor
from pipelines.tasks.spec import Plan, TaskSpec
from skyreels_tui import intents
from skyreels_tui.commands import output
from skyreels_tui.drafts import DRAFTS_FILE, load_drafts
from skyreels_tui.executors.protocol import Executor
from skyreels_tui.folders import Folders
from skyreels_tui.forms import Machine, free_bytes
from skyreels_tui.hub import HubApp
from skyreels_tui.jobs.events import Event, QueueChanged
from skyreels_tui.jobs.model import FINISHED, Job, JobState
from skyreels_tui.jobs.rates import RATES_FILE, EtaBook
from skyreels_tui.jobs.service import QueueOptions, QueueService
from skyreels_tui.jobs.signals import StopSignals, handled
from skyreels_tui.keys import EVERYWHERE, HOME, bindings
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.notify.attach import screen_notifier, this_terminal
from skyreels_tui.panels.pictures import Drawing, choose_drawing
from skyreels_tui.panels.preview import PreviewPanel
from skyreels_tui.panels.queue import QueuePanel
from skyreels_tui.screens.home import HomeScreen
from skyreels_tui.settings import Settings, save
from skyreels_tui.timeleft import TimeLeft
from skyreels_tui.widgets.glyphs import ASCII, UNICODE
from skyreels_tui.widgets.safe import safe

SCREEN_CLASSES = {
    "results": "skyreels_tui.screens.results:ResultsScreen",
    "models": "skyreels_tui.screens.models:ModelsScreen",
    "doctor": "skyreels_tui.screens.doctor:DoctorScreen",
    "settings": "skyreels_tui.screens.settings:SettingsScreen",
    "help": "skyreels_tui.screens.help:HelpScreen",
    "themes": "skyreels_tui.screens.themes:ThemeScreen",
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


class SkyreelsApp(HubApp):
    """Home, forms, results and the rest over one queue."""

    TITLE = "skyreels-tui"
    CSS_PATH = "app.tcss"
    BINDINGS = bindings(EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True
    SCREENS: ClassVar[dict[str, Any]] = {}

    def __init__(self, options: AppOptions) -> None:
        super().__init__(jobs=self._list_jobs)
        self.options = options
        self.settings = options.settings
        self.folders = options.folders
        self.result_dir = options.result_dir
        self.drafts = load_drafts(options.folders.state / DRAFTS_FILE)
        self.eta_book = EtaBook(options.folders.state / RATES_FILE, lambda: self.gpu_name)
        self.time_left = TimeLeft(self.eta_book)
        self.service: QueueService | None = None
        self.monitor: Monitor | None = None
        self.drawing: Drawing = "cells"
        """How previews are drawn; `run_app` asks the terminal."""
        self.notifier = screen_notifier(self, lambda: self.settings, self._is_owner)
        self.leave_choice = ""
        """'finish' when the running job is to end without a screen."""
        self._deleted: list[int] = []
        self.glyphs = ASCII if options.ascii or options.settings.ascii else UNICODE
        self.use_theme(options.theme or options.settings.theme)

    # Life

    def on_mount(self) -> None:
        """Open the queue, show home, and start the engine once something is on the screen."""
        folders, options = self.folders, self.options
        folders.create()
        self.service = QueueService(
            folders,
            options.result_dir,
            self._take_event,
            executor=options.executor,
            options=QueueOptions(
                auto_resume=options.auto_resume or self.settings.auto_resume,
                on_hang_up=self.settings.hang_up,  # type: ignore[arg-type]
                memory_floor_bytes=memory_floor(self.settings.memory_floor_gib),
            ),
            time_left=self.time_left,
        )
        self.board.refresh()
        self.push_screen(HomeScreen())
        self.call_after_refresh(self._start_engine)

    def _start_engine(self) -> None:
        if self.service is None:
            return
        # The loop shares the interpreter with the inference thread: short turns keep keys quick.
        sys.setswitchinterval(0.0005)
        self.notifier.start(self.board.jobs, this_terminal())
        self.service.start()
        # The service speaks from here on; what changed since the first listing is taken over now.
        self.publish_event(QueueChanged())
        # The sensors load drivers' libraries: after the first paint too.
        from skyreels_tui.monitors.build import build_monitor

        self.monitor = build_monitor(
            self.folders,
            self.result_dir,
            self.publish_sample,
            jobs=lambda: self.board.jobs,
            progress=lambda: self.board.progress,
            book=self.eta_book,
            owner_pid=self._owner_pid,
            model_folders=self.settings.models,
            memory_floor_bytes=round(self.settings.memory_floor_gib * 2**30),
        )
        self.monitor.start()

    def _is_owner(self) -> bool:
        return self.service is not None and self.service.is_owner

    def _owner_pid(self) -> int | None:
        service = self.service
        return os.getpid() if service is None or service.is_owner else service.owner_pid

    def on_unmount(self) -> None:
        """The sensors end with the screen; hook and webhook live as long as the engine."""
        self.notifier.leave_terminal()
        if self.monitor is not None:
            self.monitor.stop(0.2)

    def _take_event(self, event: Event) -> None:
        self.time_left.learn(event)
        self.notifier.take(event)
        self.publish_event(event)

    def _list_jobs(self) -> Iterable[Job]:
        return self.service.jobs() if self.service is not None else ()

    async def action_quit(self) -> None:
        """Leave at once when nothing runs here; else ask what becomes of the running job."""
        service, running = self.service, self.board.running
        if service is None or running is None or not service.is_owner:
            self.exit()
            return
        from skyreels_tui.screens.leave import LeaveScreen

        self.push_screen(LeaveScreen(running), self._leave)

    def _leave(self, choice: str | None) -> None:
        if choice == "finish":
            self.leave_choice = choice
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

    @on(PreviewPanel.Looking)
    def _on_looking(self) -> None:
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

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette offers every key of the home screen by name."""
        for key in (*HOME.keys, *EVERYWHERE.keys):
            if isinstance(screen, HomeScreen) or key in EVERYWHERE.keys:
                yield SystemCommand(
                    f"{key.label} ({key.shown})", key.help, _runner(screen, key.action)
                )

    def on_open_screen(self, message: intents.OpenScreen) -> None:
        """Open a screen by name."""
        self.open_screen(message.screen)

    def on_open_form(self, message: intents.OpenForm) -> None:
        """Open the form of a task."""
        from pipelines.tasks import TASKS
        from skyreels_tui.screens.form import FormScreen

        task = message.task_type or self.drafts.task or TASKS[0].name
        self.push_screen(FormScreen(task, message.values, message.label))

    def on_open_job(self, message: intents.OpenJob) -> None:
        """Show one job."""
        from skyreels_tui.screens.job import JobScreen

        self.push_screen(JobScreen(message.job_id))

    @property
    def settings_file(self) -> Path:
        """The TOML file with a person's settings."""
        return self.folders.settings_file

    def save_settings(self, settings: Settings) -> None:
        """Write the file and use the new values; raises SettingsError or OSError."""
        save(self.settings_file, settings)
        self.settings = settings
        self.glyphs = ASCII if self.options.ascii or settings.ascii else UNICODE
        self.use_theme(self.options.theme or settings.theme)

    # What a form asks for

    @property
    def cache_dir(self) -> Path:
        """Where demo models and embeddings are kept."""
        return self.folders.cache

    def task_defaults(self, task: str) -> Mapping[str, Any]:
        """Field values that the settings file gives a new form."""
        return self.settings.defaults.get(task, {})

    def estimate(self, task: TaskSpec, plan: Plan) -> tuple[float | None, bool]:
        """Predicted seconds of a plan, and whether this machine has done such a job before."""
        found = self.eta_book.estimate(task.name, plan)
        return found.total_s, found.learned

    def machine(self) -> Machine:
        """Memory as last read, disk as it is now."""
        memory = self.last_sample.memory if self.last_sample is not None else None
        return Machine(memory.available_bytes if memory is not None else None, free_bytes(self.result_dir))

    def show_job(self, job_id: int) -> None:
        """Put the cursor of the queue on a job."""
        for panel in self.screen_stack[1].query(QueuePanel):
            panel.select(job_id)

    # Intents

    def _change(self, change: Callable[[QueueService], object], done: str = "") -> bool:
        """Do one short, durable change; say in words what the queue refused."""
        if self.service is None:
            return False
        try:
            change(self.service)
        except PipelineError as error:
            self.tell(str(error), "error")
            return False
        if done:
            self.tell(done)
        return True

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a short message; never parsed as markup."""
        self.notify(safe(text, 500), severity=severity, markup=False)  # type: ignore[arg-type]

    @work(thread=True, group="submit")
    def on_submit_job(self, message: intents.SubmitJob) -> None:
        """Add the job on a worker: the queue opens its input files again before it takes it."""
        service = self.service
        if service is None:
            return
        added: list[Job] = []
        try:
            for index in range(message.copies):
                seeded = message.request
                if index:
                    seeded = replace(seeded, seed=seeded.seed + index)
                added.append(service.add(seeded, label=message.label))
        except InvalidRequest as error:
            self.call_from_thread(message.answer, None, error.problems)
            return
        except PipelineError as error:
            self.call_from_thread(self.tell, str(error), "error")
            self.call_from_thread(message.answer, None, ())
            return
        self.call_from_thread(message.answer, added[-1], ())

    def on_cancel_job(self, message: intents.CancelJob) -> None:
        """Cancel; a job that has spent time running asks first, because that cannot be undone."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        if job.state is not JobState.RUNNING and not job.run_seconds:
            self._change(lambda service: service.cancel(job.id), f"job {job.id} cancelled")
            return
        from skyreels_tui.screens.confirm import ConfirmScreen

        spent = "it stops at its next step and its finished steps are lost"
        self.push_screen(
            ConfirmScreen(f"Cancel job {job.id}?", spent, yes="Cancel the job"),
            lambda sure: self._change(lambda service: service.cancel(job.id)) if sure else None,
        )

    def on_toggle_hold(self, message: intents.ToggleHold) -> None:
        """Hold or release."""
        job = self.board.get(message.job_id)
        if job is not None:
            held = job.state is JobState.HELD
            self._change(lambda service: service.release(job.id) if held else service.hold(job.id))

    def on_retry_job(self, message: intents.RetryJob) -> None:
        """Resume an interrupted job; add a new row for a finished one."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        if job.state in FINISHED:
            self._change(lambda service: service.retry(job.id), f"job {job.id} queued again as a new row")
        else:
            self._change(lambda service: service.resume(job.id))

    def on_delete_job(self, message: intents.DeleteJob) -> None:
        """Hide a row; undo brings it back."""
        done = f"job {message.job_id} deleted: u brings it back"
        if self._change(lambda service: service.delete(message.job_id), done):
            self._deleted.append(message.job_id)
            self.screen.refresh_bindings()

    def on_undo_delete(self) -> None:
        """Bring back the row deleted last."""
        if self._deleted:
            job_id = self._deleted.pop()
            self._change(lambda service: service.undelete(job_id), f"job {job_id} is back")
            self.screen.refresh_bindings()

    @property
    def can_undo(self) -> bool:
        """Whether this session deleted a row."""
        return bool(self._deleted)

    def on_move_job(self, message: intents.MoveJob) -> None:
        """Move a waiting job."""
        self._change(lambda service: service.move(message.job_id, message.offset))

    def on_toggle_pause(self) -> None:
        """Pause after the running job, or go on."""
        if self.board.status.pause:
            self._change(lambda service: service.unpause(), "the queue goes on")
        else:
            self._change(lambda service: service.pause(), "paused: no further job starts; p goes on")

    def on_again_job(self, message: intents.AgainJob) -> None:
        """Open the form with a job's request."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        import random
        from dataclasses import asdict

        values = asdict(job.request)
        if message.new_seed:
            values["seed"] = random.randrange(2**31)
        self.on_open_form(intents.OpenForm(job.task_type, values, job.label))


def _runner(screen: Screen[Any], action: str) -> Callable[[], Any]:
    async def run() -> None:
        await screen.run_action(action)

    return run


def run_app(options: AppOptions) -> int:
    """Run the app until it is left, then wait for the engine; returns the exit code.

    SIGHUP lets go of the terminal and does what the settings say; SIGTERM stops at the step edge, a second
    one at once.
    """
    app = SkyreelsApp(options)

    def leave() -> None:
        if app._loop is not None and app.is_running:
            app._loop.call_soon_threadsafe(app.exit)
        elif app.service is not None:
            app.service.close(timeout_s=0)

    def hang_up() -> None:
        app.leave_choice = "hang up"
        if app.service is not None:
            app.service.hang_up()
        leave()

    def at_once() -> None:
        if app.service is not None:
            app.service.give_up()

    with handled(stop=StopSignals(leave, at_once), hang_up=hang_up):
        try:
            app.drawing = choose_drawing(options.settings.preview, os.environ, is_tty=sys.stdout.isatty())
            app.run()
        finally:
            if app.service is not None:
                _end(app, app.service)
            app.notifier.stop()
    return app.return_code or 0


def _end(app: SkyreelsApp, service: QueueService) -> None:
    if app.leave_choice == "finish":
        output.note("The running job goes on without a screen. Ctrl+C stops it at its next step.")
        service.options = replace(service.options, on_hang_up="finish_job")
        service.hang_up()
    if app.leave_choice:
        service.wait_ended()
    elif service.is_owner and not service.close(timeout_s=0.5):
        output.note("Waiting for the engine to reach a point where it can stop. Ctrl+C leaves at once.")
    service.close()

"""One panel full-window, fed from another process's state; it changes nothing and outlives that process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from textual import events, on
from textual.app import ComposeResult

from skyreels_tui.app.keymap import use_keys
from skyreels_tui.app.services import Services
from skyreels_tui.files.app_log import log_to_file
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.queue.watching.follower import Follower
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.drawing.pictures import choose_drawing
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.keys import ALONE, bindings
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.preview import PreviewPanel
from skyreels_tui.ui.terminal.run import run_on_terminal
from skyreels_tui.ui.widgets.panel import Panel

MonitorFactory = Callable[["AloneApp"], Monitor]


class AloneApp(HubApp):
    """Shows one panel until q is pressed."""

    # One panel has nothing beside it from which its focus would have to be told.
    CSS = """
    AloneApp Panel { width: 100%; height: 100%; }
    AloneApp Panel:focus { border: round $border-blurred; border-title-color: $text-muted; border-title-style: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = bindings(ALONE)

    def __init__(
        self,
        name: str,
        services: Services,
        *,
        ascii_only: bool = False,
        monitor: MonitorFactory | None = None,
    ) -> None:
        """`name` is that of one of PANELS; `monitor` replaces the sensors of this machine."""
        self.follower = Follower(services.folders, self.publish_event)
        super().__init__(
            lambda: self.follower.jobs,
            lambda: self.follower.scene_counts,
            clock=services.clock,
            wall_clock=services.wall_clock,
        )
        self.services = services
        self.title = f"skyreels-tui {name}"
        self._panel: Panel = panel_named(name).load()()
        self.follow_settings(services.settings, ascii_only=ascii_only)
        self._forecaster = services.forecaster(
            self.publish_forecast,
            jobs=lambda: self.follower.jobs,
            progress=lambda: self.follower.all_progress,
            crew=lambda: self.follower.crew,
            apart=True,
        )
        self._monitor = monitor(self) if monitor is not None else self._own_monitor()

    def _own_monitor(self) -> Monitor:
        return self.services.monitor(
            self.publish_sample,
            progress=lambda: self.follower.progress,
            usual_step_s=self._forecaster.forecast.usual_step_s,
            engine=self.follower.engine_memory,
            owner_pid=self.follower.owner_pid,
        )

    def compose(self) -> ComposeResult:
        """The panel and nothing else."""
        yield self._panel

    def on_mount(self) -> None:
        """Start to follow once the panel listens."""
        use_keys(self, Settings(), self.settings)
        self._panel.focus()
        self.after_paint(self._follow)

    def _follow(self) -> None:
        self.follower.start()
        self._forecaster.start()
        self._monitor.start()

    def on_unmount(self, _: events.Unmount) -> None:
        """End the threads."""
        self.follower.stop()
        self._forecaster.stop()
        self._monitor.stop()

    @on(PreviewPanel.Looking)
    def _ask_preview(self) -> None:
        self.follower.want_preview()


def run_panel(name: str, services: Services, *, ascii_only: bool = False) -> int:
    """Show the panel `name` until q is pressed; returns the exit status."""
    log_to_file(services.folders, "panel.log")
    app = AloneApp(name, services, ascii_only=ascii_only)
    if name == "preview":
        app.looks.drawing = choose_drawing(services.settings.now.preview, os.environ, is_tty=sys.stdout.isatty())
    run_on_terminal(app, app.settings.mouse)
    return app.return_code or 0

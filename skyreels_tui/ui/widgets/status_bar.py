"""The first line of the home screen: where we are, what runs, when the queue ends, the time."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from pipelines.front.language import mark, tr, trn
from skyreels_tui.queue.condition import condition_words
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub

if TYPE_CHECKING:
    from skyreels_tui.downloads.transfers import Transfer

MACHINE_LETTERS = 24
"""What is shown at most of the name of a machine and of a GPU."""


class StatusBar(Widget):
    """Counts of the board and the queue's condition; redrawn on events and once a minute."""

    DEFAULT_CSS = """
    StatusBar { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    _drawn = ""
    _moving = ""
    """What is fetched, and how far it is."""

    def on_mount(self) -> None:
        """Follow the queue; the clock moves with the minutes."""
        app = hub(self)
        for signal in (app.job_changed, app.queue_changed, app.queue_status):
            signal.subscribe(self, self._redraw)
        app.job_progress.subscribe(self, self._on_reading)
        app.sample.subscribe(self, self._on_reading)
        app.forecast.subscribe(self, self._on_reading)
        app.transfers_changed.subscribe(self, self._on_transfers)
        now = app.wall_clock()
        self.set_timer(60 - now.second, self._start_clock)

    def _start_clock(self) -> None:
        self.refresh()
        self.set_interval(60, self.refresh)

    def _on_reading(self, _: object) -> None:
        """Draw again when a reading, a report or a forecast has changed a word."""
        if self._words().plain != self._drawn:
            self.refresh()

    def _on_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        """Bytes come several times a second; what is said about them changes every few seconds."""
        # Loaded once something is fetched: no start pays for it.
        from skyreels_tui.ui.widgets.transfer_words import home_line

        words = home_line(transfers)
        if words != self._moving:
            self._moving = words
            self.refresh()

    def _redraw(self, _: object) -> None:
        self.refresh()

    def render(self) -> Content:
        """Draw what is so now."""
        words = self._words()
        self._drawn = words.plain
        return words

    def _words(self) -> Content:
        """Left: names; middle: counts and end; right: the clock."""
        app, width = hub(self), self.content_size.width
        now = app.wall_clock().astimezone()
        glyphs = app.glyphs
        running, waiting = app.board.count(JobState.RUNNING), app.board.count(JobState.QUEUED)
        wide = width >= 100
        left = [f"skyreels-tui {glyphs.dot} {safe(platform.node(), MACHINE_LETTERS)}"]
        if app.gpu_name:
            left.append(f" {glyphs.dot} {safe(app.gpu_name, MACHINE_LETTERS)}")
        runs = trn("{count} running", "{count} running", running) if wide else str(running)
        waits = trn("{count} queued", "{count} queued", waiting) if wide else str(waiting)
        middle = Content.assemble(
            (f"{glyphs.running} {runs}", "bold $primary" if running else ""), f"   {glyphs.queued} {waits}"
        )
        status = app.board.status
        if status.workers > 1:
            words = mark("{busy} of {count} GPUs") if status.has_gpus else mark("{busy} of {count} workers")
            middle = Content.assemble(middle, "   " + tr(words, busy=status.busy, count=status.workers))
        if (running or waiting) and (end := app.times.queue_end()):
            words = tr("queue ends {time}", time=end) if wide else tr("ends {time}", time=end)
            middle = Content.assemble(middle, f"   {words}")
        if self._moving:
            middle = Content.assemble(middle, f"   {self._moving}")
        condition = app.condition
        # Where the room is short, the panel's line says how far the job is.
        if app.trouble or condition.is_news or (running and wide):
            words = app.trouble or safe(condition_words(condition, short=not wide), 80)
            style = "bold $text-warning" if app.trouble or condition.is_news else "$text-muted"
            middle = Content.assemble(middle, "   ", (words, style))
        head = Content.assemble(("".join(left), "bold"))
        clock = f"{now:%H:%M}"
        gap = width - head.cell_length - middle.cell_length - len(clock)
        if gap < 4:
            head, gap = Content(""), width - middle.cell_length - len(clock)
        before = gap // 2 if head else 0
        return Content.assemble(head, " " * before, middle, " " * max(1, gap - before), clock)

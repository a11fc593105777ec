"""The queue in one line, for screens that hide it: what runs, what waits, when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from pipelines.front.language import tr, trn
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.safe import cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.words.times import UNKNOWN

if TYPE_CHECKING:
    from skyreels_tui.eta.forecast import QueueForecast


class QueueLine(Widget):
    """Follows the queue; draws again only when its words change."""

    DEFAULT_CSS = """
    QueueLine { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    _drawn = ""

    def on_mount(self) -> None:
        """Follow the jobs, their progress and the forecast."""
        app = hub(self)
        for signal in (app.job_changed, app.queue_changed, app.job_progress):
            signal.subscribe(self, self._look)
        app.forecast.subscribe(self, self._on_forecast)

    def _on_forecast(self, _: QueueForecast) -> None:
        self._look(None)

    def _look(self, _: object) -> None:
        drawn = self.render().plain
        if drawn != self._drawn:
            self._drawn = drawn
            self.refresh()

    def render(self) -> Content:
        """The running job with its time, the count of those that wait, and the end of the queue."""
        app = hub(self)
        running, waiting = app.board.running, app.board.count(JobState.QUEUED)
        parts = []
        if running is not None:
            left = app.times.running.left_words(running.id)
            name = f"{running.id} {cut(running.label, 24)}"
            parts.append(f"{state_mark(running, app.glyphs)}  {name}")
            parts += [tr("{time} left", time=left)] if left != UNKNOWN else []
        others = len(app.board.all_running) - 1
        parts += [trn("{count} more runs", "{count} more run", others)] if others > 0 else []
        parts.append(trn("{count} queued", "{count} queued", waiting))
        if (running is not None or waiting) and (end := app.times.queue_end()):
            parts.append(tr("queue ends {time}", time=end))
        words = f" {app.glyphs.dot} ".join(parts)
        return Content.assemble((tr("Queue"), "bold"), f"  {words}")

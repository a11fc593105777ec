"""The queue table: every job with its state, running first, then waiting ones in order, then finished ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Region

from pipelines.front.language import tr, trn
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueChanged
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import interruption_place, reason_words
from skyreels_tui.ui.drawing.glyphs import state_mark, state_words
from skyreels_tui.ui.drawing.safe import cells, column, cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.film_lines import FilmLine, Row, queue_rows
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.words.times import ago, duration

if TYPE_CHECKING:
    from skyreels_tui.eta.forecast import QueueForecast

STATE_WIDTHS = (13, 16)
"""Least and most cells of the column: glyph and word."""
TASK_WIDTH = 6
TIME_WIDTH = 7


class QueuePanel(RowList):
    """Rows of the board; the cursor stays on its job when the order changes."""

    SPEC = panel_named("queue")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._jobs: list[Job] = []
        self._rows: list[Row] = []
        self._selected: int | str | None = None
        """Number of the job, or name of the film, under the cursor."""
        self._folds: dict[str, bool] = {}
        """Films that a person has folded (True) or opened."""
        self.words = ""
        """What is searched for."""
        self._times: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """List once, then follow the signals."""
        super().on_mount()
        app = hub(self)
        app.job_changed.subscribe(self, self._on_job_changed)
        app.queue_changed.subscribe(self, self._on_queue_changed)
        app.job_progress.subscribe(self, self._on_progress)
        app.forecast.subscribe(self, self._on_forecast)
        self.reload()

    def reload(self) -> None:
        """Take the board's rows again and keep the cursor on the same job."""
        self._jobs = list(hub(self).board.jobs)
        self._rows = queue_rows(self._jobs, self._folds, self.words)
        places = {_key(row): index for index, row in enumerate(self._rows)}
        place = places.get(self._selected) if self._selected is not None else None
        with self.prevent(RowList.Moved):
            self.cursor = self.cursor if place is None else place
        self._remember()
        waiting = sum(job.state not in FINISHED for job in self._jobs)
        jobs = len(self._jobs)
        self.set_title(trn("{count} job, {waiting} to do", "{count} jobs, {waiting} to do", jobs, waiting=waiting)
                       if jobs > 5 else "")  # fmt: skip
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def selected(self) -> Job | None:
        """The job under the cursor; None on the line of a film."""
        row = self._row
        return row if isinstance(row, Job) else None

    @property
    def _row(self) -> Row | None:
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    @property
    def film(self) -> str:
        """The film whose line or job is under the cursor, '' for none."""
        row = self._row
        return row.name if isinstance(row, FilmLine) else row.batch if row is not None else ""

    def fold_film(self) -> None:
        """Fold or open the film under the cursor."""
        name = self.film
        lines = {row.name: row.folded for row in self._rows if isinstance(row, FilmLine)}
        if name in lines:
            self._folds[name] = not lines[name]
            self._selected = name
            self.reload()

    def search(self, words: str) -> None:
        """Show only jobs in which all these words occur; '' shows all."""
        self.words = words
        self.reload()

    def select(self, job_id: int) -> None:
        """Put the cursor on a job as soon as it is listed."""
        self._selected = job_id
        hidden = next((job for job in self._jobs if job.id == job_id and job not in self._rows), None)
        if hidden is not None:
            self._folds[hidden.batch] = False
            self.reload()
        for index, row in enumerate(self._rows):
            if _key(row) == job_id:
                self.cursor = index

    def watch_cursor(self) -> None:
        """Remember which job is selected, so that a new order does not move the cursor to another."""
        self._remember()
        super().watch_cursor()

    def _remember(self) -> None:
        if self._rows:
            self._selected = _key(self._rows[min(self.cursor, len(self._rows) - 1)])

    def _on_job_changed(self, _: JobChanged) -> None:
        self.reload()

    def _on_queue_changed(self, _: QueueChanged) -> None:
        self.reload()

    def _on_progress(self, _: JobProgress) -> None:
        self.refresh()

    def _on_forecast(self, _: QueueForecast) -> None:
        """A second has passed: draw the rows again whose time has changed."""
        top, head = self._top, self.header(1) is not None
        shown = self._rows[top : top + self.page_rows]
        times = tuple(self._time(row) if isinstance(row, Job) else "" for row in shown)
        known = len(times) == len(self._times)
        for row, text in enumerate(times):
            if not known or self._times[row] != text:
                self.refresh(Region(0, row + head, self.size.width, 1))
        self._times = times

    # Drawing

    def count(self) -> int:
        """Rows that are shown."""
        return len(self._rows)

    def header(self, width: int) -> Content | None:
        """Names of the columns."""
        if not self._jobs:
            return None
        names = (
            column(tr("id"), self._id_width(), right=True),
            column(tr("state"), _state_width()),
            column(tr("task"), TASK_WIDTH),
            column(tr("label"), self._label_width(width)),
            column(tr("time"), TIME_WIDTH, right=True),
        )
        return Content.styled("  " + " ".join(names), "$text-muted").truncate(width)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Id, state, task, label and time of one job; or the line of a film."""
        job, glyphs = self._rows[index], hub(self).glyphs
        if isinstance(job, FilmLine):
            return self._film_row(job, width, selected)
        shown = state_mark(job, glyphs)
        label_width = self._label_width(width)
        label = _label(job, label_width, hub(self).is_unreadable(job))
        label = label.pad_right(max(0, label_width - label.cell_length))
        dim = "$text-muted" if job.state in FINISHED else ""
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{job.id:>{self._id_width()}} ", dim),
            (f"{column(str(shown), _state_width())} ", shown.style),
            (f"{job.short:<{TASK_WIDTH}} ", dim),
            label,
            (f" {column(self._time(job), TIME_WIDTH, right=True)}", dim),
        )

    def _film_row(self, line: FilmLine, width: int, selected: bool) -> Content:
        glyphs = hub(self).glyphs
        more = f"  {line.failed} {tr(JobState.FAILED)}" if line.failed else ""
        words = f"{line.done}/{line.count}{more}" + (f"  {tr(JobState.RUNNING)}" if line.runs else "")
        name = cut(line.name, max(4, width - 7 - len(words)))
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{glyphs.closed if line.folded else glyphs.open} ", "$primary"),
            (name, "bold"),
            (f"  {words}", "$text-muted"),
        ).truncate(width)

    def empty(self, width: int) -> Content:
        """The three keys that matter, and the demo; or that a search has found nothing."""
        if self.words.strip():
            return Content.styled(tr("No job with these words. Esc shows all."), "$text-muted")
        return Content.assemble(
            "\n", tr("Nothing here yet."), "\n\n",
            ("n", "bold $primary"), "       ", tr("make a video: pictures, a prompt, Ctrl+S"), "\n",
            ("Ctrl+O", "bold $primary"), "  ",
            tr("in the form: tiny built-in models, to try it without a download"), "\n",
            ("M", "bold $primary"), "       ", tr("models on this machine and how to get them"), "\n",
            ("?", "bold $primary"), "       ", tr("every key"), "\n",
        )  # fmt: skip

    def line(self, width: int) -> Content:
        """The queue is never folded, but a lone pane may be one line high."""
        return self.row(self.cursor, width, False) if self._rows else Content(tr("queue empty"))

    def _id_width(self) -> int:
        return max(3, len(str(max((job.id for job in self._jobs[:50]), default=0))))

    def _label_width(self, width: int) -> int:
        return max(4, width - (2 + self._id_width() + 1 + _state_width() + 1 + TASK_WIDTH + 1 + 1 + TIME_WIDTH))

    def _time(self, job: Job) -> str:
        app = hub(self)
        match job.state:
            case JobState.RUNNING:
                return app.running_times.left_words(job.id)
            case JobState.DONE:
                return duration(job.run_seconds)
            case JobState.FAILED | JobState.CANCELLED:
                return ago(job.finished_at, app.wall_clock().astimezone()) if job.finished_at else ""
            case JobState.INTERRUPTED if job.num_steps:
                return f"{job.step}/{job.num_steps}"
            case _:
                return duration(app.estimate_s(job))


def _key(row: Row) -> int | str:
    return row.id if isinstance(row, Job) else row.name


def _state_width() -> int:
    least, most = STATE_WIDTHS
    return max(least, min(most, 2 + cells(*state_words())))


def _label(job: Job, width: int, unreadable: bool) -> Content:
    """The label, else the prompt; what went wrong or why it waits comes after it."""
    name = cut(job.label or job.request.prompt, width)
    waits = interruption_place(job.reason) or reason_words(job.reason)
    why = job.error if job.state is JobState.FAILED else job.suspect or waits
    if not why and unreadable:
        why = tr("length unknown: its inputs cannot be read")
    room = width - Content(name).cell_length - 2
    if not why or room < 8:
        return Content(name)
    style = "$text-error" if job.state is JobState.FAILED else "$text-warning"
    return Content.assemble(name, "  ", (cut(why, room), style))

"""The queue table: every job with its state, running first, then waiting ones in order, then finished ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Region

from pipelines.front.language import tr, trn
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueChanged
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import interruption_place, reason_words
from skyreels_tui.requests.glance import glance_at
from skyreels_tui.ui.drawing.bars import bar
from skyreels_tui.ui.drawing.glyphs import state_mark, state_words
from skyreels_tui.ui.drawing.safe import cells, column, cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.film_lines import FilmLine, Row, queue_rows
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.words.times import UNKNOWN, ago, ago_words, duration

if TYPE_CHECKING:
    from skyreels_tui.eta.forecast import QueueForecast

STATE_WIDTHS = (13, 16)
"""Least and most cells of the column: glyph and word."""
TASK_WIDTH = 6
SIZE_WIDTH = 8
"""Cells of `1080P 5s`."""
TIME_WIDTHS = (7, 13)
"""Cells of a bare time, and of one that says what it is: `2-4 min left`."""
NARROW, BROAD = 56, 96
"""Cells from which the time says what it is, and from which a row shows the request."""
BAR_WIDTH = 12
NAME_WIDTH = 12
"""Cells of a film's name that are worth more than when it ends."""
HEAD = 50
"""Rows that decide how wide a column is."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column of a row; 0 leaves the column out."""

    id: int
    state: int
    label: int
    time: int
    prompt: int = 0
    seed: int = 0
    film: int = 0

    @property
    def shows_request(self) -> bool:
        """Whether there is room for prompt, size, seed and film."""
        return self.prompt > 0


def columns(width: int, ids: int, seeds: int, films: int) -> Columns:
    """Share `width` cells among the columns; `ids`, `seeds` and `films` are the widest of each, 0 without any."""
    state, time = _state_width(), TIME_WIDTHS[width >= NARROW]
    rest = width - (2 + ids + 1 + state + 1 + TASK_WIDTH + 1 + 1 + time)
    if width < BROAD:
        return Columns(ids, state, max(4, rest), time)
    film = min(films, 14)
    rest -= 1 + SIZE_WIDTH + 1 + seeds + (1 + film if film else 0) + 1
    label = max(8, min(24, rest // 3))
    return Columns(ids, state, label, time, max(4, rest - label), seeds, film)


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
        self._marked: set[int] = set()
        """Numbers of jobs."""
        self._times: tuple[str, ...] = ()
        self._shared: tuple[int, Columns] | None = None
        """The columns of a width, until the rows change."""
        self._ends: dict[str, str] = {}
        """Film -> when it ends."""

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
        self._shared = None
        self._rows = queue_rows(self._jobs, self._folds, self.words, hub(self).board.scene_counts)
        if self._marked:
            self._marked &= {job.id for job in self._jobs}
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
    def marked(self) -> list[Job]:
        """The marked jobs, in the order of the list."""
        return [job for job in self._jobs if job.id in self._marked] if self._marked else []

    def mark(self) -> None:
        """Mark or unmark the job, or all of the film, under the cursor, and go on to the next row."""
        row = self._row
        if row is None:
            return
        ids = {job.id for job in self._of(row)} if isinstance(row, FilmLine) else {row.id}
        self._marked = self._marked - ids if ids <= self._marked else self._marked | ids
        self.cursor += 1
        self.refresh()
        self.post_message(self.Moved(self))

    def unmark(self) -> None:
        """Take every mark off."""
        self._marked.clear()
        self.refresh()

    def _of(self, line: FilmLine) -> list[Job]:
        return [job for job in self._jobs if job.batch == line.name]

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

    def watch_cursor(self, before: int, now: int) -> None:
        """Remember which job is selected, so that a new order does not move the cursor to another."""
        self._remember()
        super().watch_cursor(before, now)

    def _remember(self) -> None:
        if self._rows:
            self._selected = _key(self._rows[min(self.cursor, len(self._rows) - 1)])

    def _on_job_changed(self, _: JobChanged) -> None:
        self.reload()

    def _on_queue_changed(self, _: QueueChanged) -> None:
        self.reload()

    def _on_progress(self, _: JobProgress) -> None:
        self._draw_times()

    def _on_forecast(self, _: QueueForecast) -> None:
        """A second has passed."""
        if any(isinstance(row, FilmLine) for row in self._rows[: self._top + self.page_rows]):
            self._ends = hub(self).times.film_ends()
        self._draw_times()

    def _draw_times(self) -> None:
        """Draw the rows again whose time has changed."""
        top, head = self._top, self.header(1) is not None
        shown = self._rows[top : top + self.page_rows]
        times = tuple(self._time(row) if isinstance(row, Job) else " ".join(self._film_times(row)) for row in shown)
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
        cols = self._columns(width)
        names = [
            column(tr("id"), cols.id, right=True),
            column(tr("state"), cols.state),
            column(tr("task"), TASK_WIDTH),
            column(tr("label"), cols.label),
        ]
        if cols.shows_request:
            names += [column(tr("prompt"), cols.prompt), column(tr("size"), SIZE_WIDTH), column(tr("seed"), cols.seed)]
            names += [column(tr("film"), cols.film)] if cols.film else []
        names.append(column(tr("time"), cols.time, right=True))
        return Content.styled("  " + " ".join(names), "$text-muted").truncate(width)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Id, state, task, label and time of one job, and its request where there is room; or the line of a film."""
        job, glyphs = self._rows[index], hub(self).glyphs
        if isinstance(job, FilmLine):
            return self._film_row(job, width, selected)
        cols, shown = self._columns(width), state_mark(job, glyphs)
        dim = "$text-muted" if job.state in FINISHED else ""
        why = self._why(job)
        middle = (
            self._request_cells(job, cols, why, dim)
            if cols.shows_request
            else (_fill(_name_and_why(_name(job), why, cols.label), cols.label),)
        )
        return Content.assemble(
            *_cursor(glyphs.cursor if selected else " ", marked=job.id in self._marked),
            (f"{job.id:>{cols.id}} ", dim),
            (f"{column(str(shown), cols.state)} ", shown.style),
            (f"{job.short:<{TASK_WIDTH}} ", dim),
            *middle,
            (f" {column(self._time(job, bare=cols.time < TIME_WIDTHS[1]), cols.time, right=True)}", dim),
        )

    @staticmethod
    def _request_cells(job: Job, cols: Columns, why: Content, dim: str) -> tuple[Content | tuple[str, str], ...]:
        """Label, prompt, size, seed and film; why a row stands or failed comes before its prompt."""
        seen = glance_at(job.request_json)
        prompt = _fill(_why_and_prompt(why, seen.prompt, cols.prompt), cols.prompt)
        film = f" {column(job.batch, cols.film)}" if cols.film else ""
        facts = f" {column(seen.size, SIZE_WIDTH)} {column(seen.seed, cols.seed)}{film}"
        return ((f"{column(job.label, cols.label)} ", ""), prompt, (facts, dim or "$text-muted"))

    def _film_row(self, line: FilmLine, width: int, selected: bool) -> Content:
        app, glyphs = hub(self), hub(self).glyphs
        broad = width >= BROAD
        parts = [trn("{count} scene", "{count} scenes", line.count)] if broad else []
        parts.append(f"{line.done} {glyphs.check}" if broad else f"{line.done}/{line.count}")
        if line.failed:
            parts.append(f"{line.failed} {glyphs.cross}" if broad else f"{line.failed} {tr(JobState.FAILED)}")
        parts += [tr(JobState.RUNNING)] if line.runs else []
        left, end = self._film_times(line)
        parts += [left] if broad and left else []
        parts += [end] if end and width >= 7 + NAME_WIDTH + len("  ".join([*parts, end])) else []
        words = (f" {glyphs.dot} " if broad else "  ").join(parts)
        name = cut(line.name, max(4, width - 7 - len(words) - (BAR_WIDTH + 2 if broad else 0)))
        shown = (bar(line.done / line.count, BAR_WIDTH, glyphs), "  ") if broad else ()
        marked = bool(self._marked) and all(job.id in self._marked for job in self._of(line))
        drawn = Content.assemble(
            *_cursor(glyphs.cursor if selected else " ", marked=marked),
            (f"{glyphs.closed if line.folded else glyphs.open} ", "$primary"),
            (name, "bold"),
            "  ",
            *shown,
            (words, "$text-muted"),
        ).truncate(width)
        key = app.key("home.fold_film")
        hint = tr("{key} opens it", key=key) if line.folded else tr("{key} folds it", key=key)
        gap = width - drawn.cell_length - cells(hint)
        return Content.assemble(drawn, " " * gap, (hint, "$text-muted")) if selected and gap >= 2 else drawn

    def _film_times(self, line: FilmLine) -> tuple[str, str]:
        """What is left of a film, and when it ends, in words; '' for what is not known."""
        left = hub(self).times.film_left(line.unfinished)
        words = tr("{time} left", time=left) if left else ""
        return words, self._ends.get(line.name, "") if line.unfinished else ""

    def empty(self, width: int) -> Content:
        """The three keys that matter, and the demo; or that a search has found nothing."""
        app = hub(self)
        if self.words.strip():
            words = tr("No job with these words. {key} shows all.", key=app.key("home.fold"))
            return Content.styled(words, "$text-muted")
        entries = (
            ("home.new_job", tr("make a video: pictures, a prompt, {key}", key=app.key("form.submit"))),
            ("form.profile", tr("in the form: tiny built-in models, to try it without a download")),
            ("home.films", tr("films: many scenes in one list, joined to one video")),
            ("home.models", tr("models on this machine and how to get them")),
            ("everywhere.help", tr("every key")),
        )
        keys = [app.key(name) for name, _ in entries]
        wide = cells(*keys) + 2
        lines = [
            Content.assemble((column(key, wide), "bold $primary"), words)
            for key, (_, words) in zip(keys, entries, strict=True)
        ]
        return Content("\n").join([Content(""), Content(tr("Nothing here yet.")), Content(""), *lines])

    def line(self, width: int) -> Content:
        """The queue is never folded, but a lone pane may be one line high."""
        return self.row(self.cursor, width, False) if self._rows else Content(tr("queue empty"))

    def _id_width(self) -> int:
        return max(3, len(str(max((job.id for job in self._jobs[:HEAD]), default=0))))

    def _columns(self, width: int) -> Columns:
        if self._shared is None or self._shared[0] != width:
            head = self._jobs[:HEAD]
            seeds = cells(tr("seed"), *(glance_at(job.request_json).seed for job in head)) if width >= BROAD else 0
            films = cells(*(cut(job.batch, 14) for job in head if job.batch))
            self._shared = width, columns(width, self._id_width(), seeds, max(films, cells(tr("film"))) if films else 0)
        return self._shared[1]

    def _why(self, job: Job) -> Content:
        """What went wrong, why it waits or looks wrong; of several workers the one that runs it."""
        if job.state is JobState.RUNNING and job.worker and not job.suspect:
            return plain(job.worker, "$text-muted")
        words = job.suspect or interruption_place(job.reason) or reason_words(job.reason)
        if job.state is JobState.FAILED:
            return plain(job.error, "$text-error")
        if not words and hub(self).times.is_unreadable(job):
            words = tr("length unknown: its inputs cannot be read")
        return plain(words, "$text-warning")

    def _time(self, job: Job, *, bare: bool = False) -> str:
        """A time that says what it is; `bare` leaves the words out."""
        app = hub(self)
        match job.state:
            case JobState.RUNNING:
                # What is being cancelled has nothing left to do but its step.
                left = UNKNOWN if job.cancel_requested else app.times.running.left_words(job.id)
                return left if bare or left == UNKNOWN else tr("{time} left", time=left)
            case JobState.DONE:
                took = duration(job.run_seconds)
                return took if bare else tr("took {time}", time=took)
            case JobState.FAILED | JobState.CANCELLED if job.finished_at:
                told = ago if bare else ago_words
                return told(job.finished_at, app.wall_clock().astimezone())
            case JobState.FAILED | JobState.CANCELLED:
                return ""
            case JobState.INTERRUPTED if job.num_steps:
                at = f"{job.step}/{job.num_steps}"
                return at if bare else tr("at {step}", step=at)
            case _:
                takes = duration(app.times.estimate_s(job))
                return takes if bare or takes == UNKNOWN else f"~{takes}"


def _cursor(shown: str, *, marked: bool) -> tuple[tuple[str, str], ...]:
    """The two cells before a row."""
    if not marked:
        return ((f"{shown} ", "bold $accent"),)
    return ((shown, "bold $accent"), ("*", "bold $text-success"))


def _key(row: Row) -> int | str:
    return row.id if isinstance(row, Job) else row.name


def _state_width() -> int:
    least, most = STATE_WIDTHS
    return max(least, min(most, 2 + cells(*state_words())))


def _name(job: Job) -> str:
    """The label, else the prompt."""
    return job.label or glance_at(job.request_json).prompt


def _name_and_why(name: str, why: Content, width: int) -> Content:
    """The name; what went wrong or why it waits comes after it where there is room."""
    shown = Content(cut(name, width))
    room = width - shown.cell_length - 2
    return Content.assemble(shown, "  ", why.truncate(room, ellipsis=True)) if why.plain and room >= 8 else shown


def _why_and_prompt(why: Content, prompt: str, width: int) -> Content:
    """The prompt; what went wrong or why it waits comes before it, and leaves it what it does not need."""
    if not why.plain:
        return Content(cut(prompt, width))
    first = why.truncate(width, ellipsis=True)
    room = width - first.cell_length - 2
    return Content.assemble(first, "  ", (cut(prompt, room), "$text-muted")) if room >= 8 else first


def _fill(content: Content, width: int) -> Content:
    return content.pad_right(max(0, width - content.cell_length))

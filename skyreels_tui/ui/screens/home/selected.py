"""What is known of the selected job, beside the queue: picture, request, trouble and the key one wants next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from pipelines.front.errors import InvalidRequest
from pipelines.front.fields import FieldSpec, Files
from pipelines.front.language import mark, tr
from pipelines.front.request import Request, field_specs
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.halfblocks import CellPicture, cell_picture
from skyreels_tui.ui.drawing.safe import cut, cut_path, plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.home.job_words import value_words
from skyreels_tui.ui.widgets import thumbnails
from skyreels_tui.ui.widgets.thumbnails import Thumbnail
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.times import duration

REST_S = 0.12
"""A file is opened once the cursor has rested on its job for so long."""
PROMPT_LETTERS = 600
NEXT: dict[JobState, tuple[tuple[str, str], ...]] = {
    JobState.RUNNING: (("home.cancel", mark("stops it at its next step")),),
    JobState.QUEUED: (("home.run_next", mark("runs it next")), ("home.edit", mark("changes it"))),
    JobState.HELD: (("home.hold", mark("releases it")), ("home.edit", mark("changes it"))),
    JobState.BLOCKED: (("home.edit", mark("changes it")),),
    JobState.INTERRUPTED: (("home.resume", mark("goes on with it at its stored step")),),
    JobState.DONE: (("home.open", mark("plays it")), ("home.again", mark("opens the form with its request"))),
    JobState.FAILED: (("home.retry", mark("runs it again")), ("home.again", mark("opens the form with its request"))),
    JobState.CANCELLED: (("home.retry", mark("runs it again")),),
}
"""The keys that a person most likely wants, and what they do."""


class SelectedJob(Vertical):
    """Shows one job; its picture comes once the cursor rests on it."""

    DEFAULT_CSS = """
    SelectedJob { border: round $border-blurred; border-title-color: $text-muted; padding: 0 1; }
    SelectedJob > Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__(id="selected")
        self._job: Job | None = None
        self._shown: tuple[object, ...] = ()
        """What the picture is of, and how large."""
        self._newest: JobProgress | None = None
        """The last report with a picture."""
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        """Picture above, words below."""
        yield Static(Content(""), id="selected-picture")
        yield Static(Content(""), id="selected-words")

    def on_mount(self) -> None:
        """The running job's picture is its newest preview."""
        app = hub(self)
        app.job_progress.subscribe(self, self._on_progress)
        if app.last_progress is not None:
            self._on_progress(app.last_progress)

    def on_resize(self, _: events.Resize) -> None:
        """A picture fills the room there is."""
        self.show(self._job)

    def on_unmount(self) -> None:
        """Nobody waits for a picture any more."""
        self._stop.set()

    def show(self, job: Job | None) -> None:
        """Show another job, or the same as it stands now, or nothing."""
        self._job = job
        if not self.display or not self.content_size.area:
            return
        self.border_title = Content(cut(job.label or job.title, 60)) if job is not None else Content("")
        show_in(self.query_one("#selected-words", Static), self._words(job) if job is not None else Content(""))
        self._show_picture()

    def _on_progress(self, event: JobProgress) -> None:
        if event.progress.preview is None:
            # Decoding and writing make none: the last one stays.
            return
        self._newest = event
        if self._job is not None and event.job_id == self._job.id:
            self._show_picture()

    # The picture

    def _show_picture(self) -> None:
        job, app = self._job, hub(self)
        columns, rows = self.content_size.width, max(4, self.content_size.height // 2)
        newest = self._newest
        runs = job is not None and newest is not None and newest.job_id == job.id and job.state is JobState.RUNNING
        strip = newest.progress.preview if newest is not None and runs else None
        source = _source(job) if job is not None else None
        of = (strip, columns, rows) if strip is not None else (source, columns, rows)
        if of == self._shown:
            return
        self._shown = of
        self._stop.set()
        self._stop = threading.Event()
        if strip is not None:
            # What draws strips loads with the first one.
            from skyreels_tui.ui.panels.preview import draw_strip

            self._take(self._stop, draw_strip(strip, 1, columns, rows, app.monochrome))
        elif source is None:
            self._take(self._stop, Content(""))
        else:
            self._read(source, columns, rows, self._stop, monochrome=app.monochrome)

    @work(thread=True, group="picture")
    def _read(
        self, source: tuple[str, Any], columns: int, rows: int, stop: threading.Event, *, monochrome: bool
    ) -> None:
        path, media = source
        if stop.wait(REST_S):
            return
        try:
            modified_s = Path(path).stat().st_mtime
        except (OSError, ValueError):
            found = Thumbnail()
        else:
            found = thumbnails.make(path, modified_s, columns, rows, media)
        drawn = cell_picture(found.rgb, found.width, found.height, monochrome) if found.rgb else Content("")
        hand_over(self, self._take, stop, drawn)

    def _take(self, stop: threading.Event, drawn: Content | CellPicture) -> None:
        if stop is self._stop and self.is_mounted:
            box = self.query_one("#selected-picture", Static)
            box.display = bool(drawn.plain)
            show_in(box, drawn)

    # The words

    def _words(self, job: Job) -> Content:
        app, width = hub(self), self.content_size.width
        shown = state_mark(job, app.glyphs)
        head = Content.assemble((f"{job.id} {app.glyphs.dot} {job.title}   ", "bold"), (str(shown), shown.style))
        lines = [head]
        if job.state is JobState.FAILED:
            lines.append(plain(job.error or tr("failed"), "$text-error"))
        elif why := job.suspect or reason_words(job.reason):
            lines.append(plain(why, "$text-warning"))
        elif job.state is JobState.DONE:
            lines.append(plain(tr("took {time}", time=duration(job.run_seconds)), "$text-muted"))
        try:
            request = job.request
        except InvalidRequest as error:
            lines.append(plain(str(error), "$text-error"))
        else:
            lines += [plain(request.prompt, limit=PROMPT_LETTERS)] if request.prompt else []
            lines += [plain(words, "$text-muted") for words in _facts(request, width)]
        if job.batch:
            lines.append(plain(tr("film {name}", name=job.batch), "$text-muted"))
        keys = (Content.assemble((app.key(name), "bold $primary"), " ", tr(words)) for name, words in NEXT[job.state])
        return Content("\n").join([*lines, Content("   ").join(keys)])


def _source(job: Job) -> tuple[str, Any] | None:
    """The file that shows the job best, and its kind: what it made, else the first picture or clip it was given."""
    if job.output:
        return job.output, "video"
    with suppress(InvalidRequest):
        request = job.request
        for name, spec in field_specs(type(request)):
            if isinstance(spec, Files) and spec.media in ("image", "video") and getattr(request, name):
                return str(getattr(request, name)[0]), spec.media
    return None


def _facts(request: Request, width: int) -> Iterator[str]:
    """Files by name, then every setting that is not what a new job has."""
    usual = {entry.name: entry.default for entry in fields(request) if entry.default is not MISSING}
    others = []
    for name, spec in field_specs(type(request)):
        value = getattr(request, name)
        if isinstance(spec, Files):
            yield from (cut_path(path, width) for path in value[:4])
        elif name != "prompt" and _says(name, spec, value, usual):
            others.append(f"{tr(spec.label).lower()} {safe(value_words(spec, value), 60)}")
    if request.profile == "demo":
        others.append(tr("demo models"))
    if others:
        yield " · ".join(others)


ALWAYS_SAID = ("resolution", "duration", "seed")


def _says(name: str, spec: FieldSpec, value: object, usual: dict[str, Any]) -> bool:
    return value not in ("", None) and (name in ALWAYS_SAID or value != usual.get(name))
